"""A config as the text of a data format: tuples as lists, classes and functions by name."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType
from typing import Any

from engine_config.errors import ConfigDumpError, ConfigError
from engine_config.fileio import dump

_LAYOUT: dict[str, dict[str, Any]] = {
    "json": {"indent": 2, "ensure_ascii": False},
    "yaml": {"sort_keys": False},
    "toml": {},
}


def data_text(values: dict[Any, Any], kind: str) -> str:
    """Return plain values as ``json`` or ``yaml``.

    Raises
    ------
    ConfigDumpError
        A value has no form in the format.
    """
    try:
        return str(dump(listed(values), file_format=kind, **_LAYOUT[kind]))
    except ConfigError:
        raise
    except Exception as error:  # each format has errors of its own
        raise ConfigDumpError(f"cannot be written as {kind}: {error}") from error


def listed(value: Any) -> Any:
    """Return a value as JSON and YAML have it: lists alone, classes and functions by name."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [listed(item) for item in _ordered(value)]
    if isinstance(value, list | tuple):
        return [listed(item) for item in value]
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    return value


def _ordered(items: set[Any] | frozenset[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:  # of several kinds
        return sorted(items, key=repr)
