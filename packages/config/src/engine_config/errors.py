"""The family of errors: one root, each also the built-in error that it specialises."""

from __future__ import annotations

from engine_config.values.origins import Origin
from engine_config.visible import visible


class ConfigError(Exception):
    """Something is wrong with a configuration.

    Parameters
    ----------
    message
        What is wrong, what was got, what is allowed and the remedy.
    origin
        Where the value to blame was set; the message then begins with ``file:line:``.

    Attributes
    ----------
    for_programs : str
        The part of the message that is of use to who calls from Python, not from a command line.
    """

    for_programs = ""

    def __init__(
        self, message: str, origin: Origin | None = None, *, for_programs: str = ""
    ) -> None:
        # of a SyntaxError, a second argument would have to be Python's own kind of place
        self.message = visible(message)  # it may quote a file, and is shown by a terminal
        super().__init__(self.message)
        self.origin = origin
        if for_programs:
            self.for_programs = visible(for_programs)

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, Origin | None]]:
        return type(self), (self.message, self.origin)

    def for_commands(self) -> str:
        """Return what is said without what only a program could do."""
        return str(self).replace(self.for_programs, "")

    def __str__(self) -> str:
        return f"{visible(str(self.origin))}: {self.message}" if self.origin else self.message


class ConfigFileNotFoundError(ConfigError, FileNotFoundError):
    """A config file or a base of one does not exist."""


class ConfigFormatError(ConfigError, OSError):
    """The file's type is not one that can be read or written."""


class ConfigEncodingError(ConfigError, ValueError):
    """The file is not UTF-8 text."""


class ConfigSyntaxError(ConfigError, SyntaxError):
    """The file's text does not parse."""


class ConfigExecutionError(ConfigError, RuntimeError):
    """Running a Python config raised; the cause is chained."""


class ConfigInheritanceError(ConfigError, RuntimeError):
    """``_base_`` is circular, too deep or not a path."""


class ConfigStyleError(ConfigError, RuntimeError):
    """The text style and the lazy style are mixed."""


class ConfigKeyError(ConfigError, KeyError):
    """A key is missing, reserved, or set by two bases."""


class ConfigTypeError(ConfigError, TypeError):
    """A merge would put a value over one of another kind."""


class ConfigSubstitutionError(ConfigError, KeyError):
    """A ``{{ … }}`` names nothing."""


class ConfigOverrideError(ConfigError, ValueError):
    """An override cannot be parsed or applied."""


class ConfigImportError(ConfigError, ImportError):
    """Something a config names cannot be imported."""


class ConfigDumpError(ConfigError, TypeError):
    """A value cannot be written in the format asked for."""


class ConfigSecurityError(ConfigError):
    """A config that is read as data does what data may not do."""


class ConfigLimitError(ConfigSecurityError):
    """A config that is read as data is too large, too deep or takes too many steps."""


class ConfigWarning(UserWarning):
    """A config says something that does nothing; a check counts it as a fault."""


class RepeatedKeyError(ValueError):
    """A data text gives a key twice in one mapping: what a codec says, to be told with the file."""

    def __init__(self, key: str, first: int, at: tuple[int, int]) -> None:
        super().__init__(f"the key {key!r} is given twice, first in line {first}; remove one")
        self.at = at
