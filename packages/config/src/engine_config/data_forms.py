"""A config as the text of a data format: tuples as lists, classes and functions by name."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType
from typing import Any

from engine_config import json_codec, yaml_codec
from engine_config.errors import ConfigDumpError


def data_text(values: dict[Any, Any], kind: str) -> str:
    """Return plain values as ``json`` or ``yaml``.

    Raises
    ------
    ConfigDumpError
        A value has no form in the format, or the format is ``toml``.
    """
    try:
        if kind == "json":
            return json_codec.dump(listed(values), indent=2, ensure_ascii=False)
        if kind == "yaml":
            return yaml_codec.dump(listed(values), sort_keys=False)
    except Exception as error:  # each format has errors of its own
        raise ConfigDumpError(f"cannot be written as {kind}: {error}") from error
    raise ConfigDumpError(
        f"cannot be written as {kind}: it is read, not written; write JSON or YAML"
    )


def listed(value: Any) -> Any:
    """Return a value as JSON and YAML have it: lists alone, classes and functions by name."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [listed(item) for item in json_codec.ordered(value)]
    if isinstance(value, list | tuple):
        return [listed(item) for item in value]
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    return value
