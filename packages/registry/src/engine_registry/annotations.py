"""Whether a value of a config fits a plain annotation."""

from __future__ import annotations

import collections.abc as abc
import inspect
import numbers
import os
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any, Literal, Union

from engine_config import LazyAttr, LazyObject

from .build import raw_items

_LISTS: frozenset[Any] = frozenset(
    (list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection, abc.MutableSequence)
)
_DICTS: frozenset[Any] = frozenset((dict, abc.Mapping, abc.MutableMapping))
_SCALARS: dict[Any, type | tuple[type, ...]] = {
    bool: bool,
    int: numbers.Integral,
    float: numbers.Real,
    complex: numbers.Complex,
    str: str,
    bytes: bytes,
    type(None): type(None),
    None: type(None),
    os.PathLike: (str, os.PathLike),
}


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is what an annotation says, True where it says more than plain types.

    Lists and tuples stand for each other, as formats such as YAML have no tuples.

    >>> fits([1, 2], tuple[int, int]), fits([1, "2"], list[int]), fits(None, int | None)
    (True, False, True)
    """
    if isinstance(value, LazyObject | LazyAttr):
        return True
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return fits(value, args[0])
    if origin in (Union, types.UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is Literal:
        return any(value == arg and type(value) is type(arg) for arg in args)
    kind = hint if origin is None else origin
    try:
        return _fits_kind(value, kind, args)
    except TypeError:  # an annotation that cannot be hashed
        return True


def _fits_kind(value: Any, kind: Any, args: tuple[Any, ...]) -> bool:
    if kind in _SCALARS:
        return isinstance(value, _SCALARS[kind])
    if kind in _LISTS:
        return _fits_list(value, kind, args)
    if kind in _DICTS:
        return isinstance(value, Mapping) and (
            len(args) != 2
            or all(fits(k, args[0]) and fits(v, args[1]) for k, v in raw_items(value))
        )
    return not (_is_tensor(kind) and isinstance(value, str | bytes | Mapping))


def _is_tensor(kind: Any) -> bool:
    """Whether an annotation is torch's tensor, told without torch; numbers may stand for one."""
    return getattr(kind, "__module__", None) == "torch" and kind.__qualname__ == "Tensor"


def _fits_list(value: Any, kind: Any, args: tuple[Any, ...]) -> bool:
    if isinstance(value, str | bytes | Mapping):
        return kind in (abc.Sequence, abc.Iterable, abc.Collection)
    if not isinstance(value, Collection):
        # A generator or the like is iterable; a number is nothing of the sort.
        return kind is abc.Iterable and isinstance(value, abc.Iterable)
    if kind is tuple and args and args[-1] is not Ellipsis:
        return len(value) == len(args) and all(map(fits, value, args))
    return not args or all(fits(item, args[0]) for item in value)


def spelled(hint: Any) -> str:
    """Return an annotation as it is written, the alternatives of a union by bars.

    >>> spelled(int | None), spelled(Union[float, str])
    ('int | None', 'float | str')
    """
    if typing.get_origin(hint) is Union:
        return " | ".join(map(spelled, typing.get_args(hint))).replace("NoneType", "None")
    return inspect.formatannotation(hint).replace("typing.", "")
