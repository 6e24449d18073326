"""JSON, with lists for what else is like one."""

from __future__ import annotations

import json
from typing import Any


def dump(value: Any, **options: Any) -> str:
    """Return one document as text; sets, ranges and numpy's values become lists and numbers."""
    return json.dumps(value, **{"default": jsonable, **options})


def jsonable(value: Any) -> Any:
    """Return a list or a number for what is like one."""
    if isinstance(value, set | frozenset):
        return ordered(value)
    if isinstance(value, range):
        return list(value)
    if hasattr(type(value), "tolist"):  # numpy's arrays and scalars, without numpy
        return value.tolist()
    raise TypeError(f"JSON has nothing for {value!r} of type {type(value).__name__}")


def ordered(items: set[Any] | frozenset[Any]) -> list[Any]:
    """Return the items of a set in an order that is the same in every process."""
    try:
        return sorted(items)
    except TypeError:  # of several kinds
        return sorted(items, key=repr)
