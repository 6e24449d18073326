"""The family of errors that registries raise."""

from __future__ import annotations

from .faults import Fault


class RegistryError(Exception):
    """Whatever goes wrong in naming, finding or building a component."""


class _NameError(RegistryError, KeyError):
    """A ``KeyError`` that prints its message as it is written."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownNameError(_NameError):
    """No registry, scope or module searched holds the name."""


class DuplicateNameError(_NameError):
    """The name stands for another object already."""


class RefusedNameError(_NameError):
    """The name comes from untrusted data and is neither registered nor allowed."""


class ConfigCheckError(RegistryError, ValueError):
    """What a check of a config found, all of it.

    Attributes
    ----------
    faults : tuple of Fault
        One for each thing that is wrong, in the order of the config.
    """

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults
