"""A config as the text of a data format: tuples as lists, classes and functions by name."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType
from typing import Any

from engine_config import json_codec, yaml_codec
from engine_config.errors import ConfigDumpError
from engine_config.lazy_objects import LazyAttr, LazyObject


def data_text(values: dict[Any, Any], kind: str) -> str:
    """Return plain values as ``json`` or ``yaml``.

    Raises
    ------
    ConfigDumpError
        A value has no form in the format, or the format is ``toml``.
    """
    try:
        if kind == "json":
            # What looks like a hole must not be filled when the text is read.
            return json_text(listed(values), indent=2).replace("{{", "{\\u007b")
        if kind == "yaml":
            return _yaml(listed(values))
    except RecursionError:
        raise
    except Exception as error:  # each format has errors of its own
        raise ConfigDumpError(f"cannot be written as {kind}: {error}") from error
    raise ConfigDumpError(
        f"cannot be written as {kind}: it is read, not written; write JSON or YAML"
    )


def json_text(value: Any, **options: Any) -> str:
    """Return a value as JSON that UTF-8 can hold: half a pair of surrogates is escaped."""
    text = json_codec.dump(value, ensure_ascii=False, **options)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json_codec.dump(value, **options)
    return text


def _yaml(values: Any) -> str:
    text = yaml_codec.dump(values, sort_keys=False)
    if "{{" not in text:
        return text
    import yaml

    class Dumper(yaml_codec.config_kind(yaml.SafeDumper)):  # type: ignore[misc]  # made
        """Writes what looks like a hole within quotes, where it can be escaped."""

    def quoted(dumper: Any, value: str) -> Any:
        style = '"' if "{{" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, quoted)
    text = yaml_codec.dump(values, sort_keys=False, Dumper=Dumper)
    return text.replace("{{", "{\\x7b")


def listed(value: Any) -> Any:
    """Return a value as JSON and YAML have it: lists alone, classes and functions by name.

    Raises
    ------
    TypeError
        A key is a tuple or a set, which no text of these formats can give back.
    """
    if isinstance(value, dict):
        for key in value:
            if isinstance(key, tuple | frozenset):
                raise TypeError(f"the key {key!r} is a {type(key).__name__}; use a string")
        return {key: listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [listed(item) for item in value]
    if isinstance(value, LazyObject | LazyAttr):  # in a set, or what a program put in
        return value.dotpath
    if isinstance(value, set | frozenset | range) or hasattr(type(value), "tolist"):
        return listed(json_codec.jsonable(value))
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    return value
