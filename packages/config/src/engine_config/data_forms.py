"""A config as the text of a data format: tuples as lists, classes and functions by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from engine_config import json_codec, yaml_codec
from engine_config.errors import ConfigDumpError, ConfigLimitError
from engine_config.lazy_objects import LazyAttr, LazyObject, module_of, stands_at
from engine_config.merge import dotted, nowhere

if TYPE_CHECKING:
    from engine_config.config_dict import ConfigDict
    from engine_config.merge import Locate, Path


class NoFormError(TypeError):
    """A value has no form in JSON and YAML."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def data_text(values: ConfigDict, kind: str, locate: Locate = nowhere) -> str:
    """Return a config's values as ``json`` or ``yaml``; ``locate`` tells where one was set.

    Raises
    ------
    ConfigDumpError
        A value has no form in the format, or the format is ``toml``.
    """
    try:
        return _texts(kind)(values.to_dict())
    except NoFormError as error:
        key = dotted(error.path) or "the config"
        message = f"{key} cannot be written as {kind}: {error}"
        raise ConfigDumpError(message, locate(error.path)) from error
    except (RecursionError, ConfigLimitError):
        raise ConfigDumpError(f"the config is nested too deep to be {kind}") from None
    except ConfigDumpError:
        raise
    except Exception as error:  # each format has errors of its own
        raise ConfigDumpError(f"cannot be written as {kind}: {error}") from error


def _texts(kind: str) -> Callable[[Any], str]:
    """Return what writes plain values in a format."""
    if kind == "json":
        # What looks like a hole must not be filled when the text is read.
        return lambda values: json_text(listed(values), indent=2).replace("{{", "{\\u007b")
    if kind == "yaml":
        return lambda values: _yaml(listed(values, more=(bytes, date)))
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


def refuse(value: Any, path: Path) -> Any:
    """Raise for a value that JSON and YAML have nothing for."""
    what = f"{value!r} of type {type(value).__name__}"
    if isinstance(value, type | FunctionType | BuiltinFunctionType | MethodType):
        remedy = "; no module gives it by a name: define it in one, and import it from there"
    else:
        remedy = "; write plain values: numbers, texts, lists and dictionaries"
    raise NoFormError(path, f"it has nothing for {what}{remedy}")


def listed(
    value: Any,
    path: Path = (),
    *,
    more: tuple[type, ...] = (),
    other: Callable[[Any, Path], Any] = refuse,
) -> Any:
    """Return a value as JSON and YAML have it: lists alone, classes and functions by name.

    Parameters
    ----------
    more
        Types that stay as they are.
    other
        Called with what has no form, and its path.

    Raises
    ------
    NoFormError
        Something has no form, such as a function that no module gives by a name, or a key is
        a tuple or a set.
    """
    within: Any = partial(listed, more=more, other=other)
    if value is None or type(value) in _PLAIN or isinstance(value, more):
        return value
    if isinstance(value, dict):
        for key in value:
            if isinstance(key, tuple | frozenset):
                said = f"the key {key!r} is a {type(key).__name__}; use a string"
                raise NoFormError(path, said)
        return {key: within(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [within(item, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, LazyObject | LazyAttr):  # in a set, or what a program put in
        return value.dotpath
    if isinstance(value, set | frozenset | range) or hasattr(type(value), "tolist"):
        return within(json_codec.jsonable(value), path)
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        if stands_at(value, module_of(value), value.__qualname__):
            return f"{value.__module__}.{value.__qualname__}"
    elif isinstance(value, str | int | float):  # a kind of them, such as an IntEnum
        return next(kind for kind in (str, int, float) if isinstance(value, kind))(value)
    return other(value, path)


_PLAIN = (str, int, float, bool)
