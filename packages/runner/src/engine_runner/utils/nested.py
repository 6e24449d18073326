"""Values within values."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

__all__ = ["apply_to"]


def apply_to(data: Any, expr: Callable[[Any], bool], apply_func: Callable[[Any], Any]) -> Any:
    """Replace what passes a test, in lists, tuples and dicts, however deep.

    Parameters
    ----------
    data : Any
        What is looked through. Named tuples and other kinds of lists and dicts stay what they are.
    expr : Callable
        Whether a value is to be replaced; it is asked of what holds no others.
    apply_func : Callable
        What makes the new value of the old.

    Examples
    --------
    >>> apply_to({"a": 1, "b": [2, (3, "x")]}, lambda x: isinstance(x, int), lambda x: -x)
    {'a': -1, 'b': [-2, (-3, 'x')]}
    """
    if isinstance(data, Mapping):
        return _like_mapping(
            data, {key: apply_to(value, expr, apply_func) for key, value in data.items()}
        )
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(apply_to(item, expr, apply_func) for item in data))
    if isinstance(data, (list, tuple)):
        return type(data)([apply_to(item, expr, apply_func) for item in data])
    return apply_func(data) if expr(data) else data


def _like_mapping(old: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """Return a mapping of the same type, with what it knows beside its values."""
    if type(old) is dict or not isinstance(old, MutableMapping):
        return values
    made: Any = copy.copy(old)
    for key, value in values.items():
        made[key] = value
    return made
