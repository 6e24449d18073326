"""A config as the text of a data format: tuples as lists, classes and functions by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from engine_config.errors import ConfigDumpError, ConfigLimitError
from engine_config.formats import json_codec, yaml_codec
from engine_config.overriding.merge import dotted, nowhere
from engine_config.values.lazy_objects import LazyAttr, LazyObject, module_of, stands_at
from engine_config.values.origins import Locate, Path
from engine_config.visible import hidden, visible

if TYPE_CHECKING:
    from engine_config.values.config_dict import ConfigDict


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
        return _texts(kind)(values)
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
    for one in hidden(text):  # within a string, as all that is not ASCII
        text = text.replace(one, json_codec.dump(one)[1:-1].replace("\x7f", "\\u007f"))
    return text


def _yaml(values: Any) -> str:
    text = yaml_codec.dump(values, sort_keys=False)
    steering = hidden(text)  # of a terminal
    if "{{" not in text and not steering:
        return text
    text = yaml_codec.dump_quoted(
        values, lambda one: "{{" in one or bool(hidden(one)), sort_keys=False
    )
    for one in steering:
        text = text.replace(one, visible(one))
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
    if type(value) in _PLAIN or isinstance(value, more):
        return value
    within: Any = partial(listed, more=more, other=other)
    if isinstance(value, dict):
        for key in value:
            if isinstance(key, _NO_KEYS):
                said = f"the key {key!r} is a {type(key).__name__}; use a string"
                raise NoFormError(path, said)
        return {
            key: item if type(item) in _PLAIN else within(item, (*path, key))
            for key, item in dict.items(value)  # a lazy value is not built
        }
    if isinstance(value, _LISTS):
        return [
            item if type(item) in _PLAIN else within(item, (*path, i))
            for i, item in enumerate(value)
        ]
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


_PLAIN = frozenset((str, int, float, bool, type(None)))
_LISTS = (list, tuple)
_NO_KEYS = (tuple, frozenset)
