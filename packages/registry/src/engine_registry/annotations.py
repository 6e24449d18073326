"""Whether a value of a config fits a plain annotation."""

from __future__ import annotations

import collections.abc as abc
import numbers
import os
import types
import typing
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, Union

from engine_config import LazyAttr, LazyObject
from engine_config.late import Late

from .build import raw_items

if TYPE_CHECKING:
    import inspect
else:
    inspect = Late("inspect")

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
    return True


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
    """Return an annotation as it is written.

    >>> spelled(int | None)
    'int | None'
    """
    return inspect.formatannotation(hint).replace("typing.", "")
