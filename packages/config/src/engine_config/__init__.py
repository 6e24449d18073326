"""Configuration files in Python, JSON, YAML and TOML, with inheritance, provenance and file access."""

from engine_config.config import Config
from engine_config.config_dict import ConfigDict
from engine_config.errors import (
    ConfigDumpError,
    ConfigEncodingError,
    ConfigError,
    ConfigExecutionError,
    ConfigFileNotFoundError,
    ConfigFormatError,
    ConfigImportError,
    ConfigInheritanceError,
    ConfigKeyError,
    ConfigLimitError,
    ConfigOverrideError,
    ConfigSecurityError,
    ConfigStyleError,
    ConfigSubstitutionError,
    ConfigSyntaxError,
    ConfigTypeError,
    ConfigWarning,
)
from engine_config.late import late_names as _late_names
from engine_config.lazy_objects import LazyAttr, LazyObject
from engine_config.marks import is_trusted
from engine_config.origins import Origin
from engine_config.provenance import origin_of, path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine_config.lazy_imports import read_base
    from engine_config.overrides import DictAction, apply_overrides
else:  # what only a reading or a command line needs
    __getattr__, __dir__ = _late_names(
        __name__, {"lazy_imports": ["read_base"], "overrides": ["DictAction", "apply_overrides"]}
    )

__version__ = "0.1.0"

__all__ = [
    "Config",
    "ConfigDict",
    "ConfigDumpError",
    "ConfigEncodingError",
    "ConfigError",
    "ConfigExecutionError",
    "ConfigFileNotFoundError",
    "ConfigFormatError",
    "ConfigImportError",
    "ConfigInheritanceError",
    "ConfigKeyError",
    "ConfigLimitError",
    "ConfigOverrideError",
    "ConfigSecurityError",
    "ConfigStyleError",
    "ConfigSubstitutionError",
    "ConfigSyntaxError",
    "ConfigTypeError",
    "ConfigWarning",
    "DictAction",
    "LazyAttr",
    "LazyObject",
    "Origin",
    "__version__",
    "apply_overrides",
    "is_trusted",
    "origin_of",
    "path_of",
    "read_base",
]
