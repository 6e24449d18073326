"""Configuration files in Python, JSON, YAML and TOML, with inheritance, provenance and file access."""

from engine_config.config import Config
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
from engine_config.overriding.copies import copies_of
from engine_config.overriding.overrides import DictAction, apply_overrides
from engine_config.reading.lazy_imports import read_base
from engine_config.strangers.limits import Limits
from engine_config.values.config_dict import ConfigDict
from engine_config.values.config_mapping import values_of
from engine_config.values.dict_origins import is_trusted
from engine_config.values.lazy_objects import LazyAttr, LazyObject
from engine_config.values.origins import Origin
from engine_config.values.provenance import origin_of, path_of

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
    "Limits",
    "Origin",
    "__version__",
    "apply_overrides",
    "copies_of",
    "is_trusted",
    "origin_of",
    "path_of",
    "read_base",
    "values_of",
]
