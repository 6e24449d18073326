"""JSON, with lists for what else is like one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine_config.late import Late

if TYPE_CHECKING:
    import json
else:
    json = Late("json")


def dump(value: Any, **options: Any) -> str:
    """Return one document as text; sets, ranges and numpy's values become lists and numbers.

    Raises
    ------
    TypeError
        JSON has nothing for a value.
    """
    return json.dumps(value, **{"default": jsonable, **options})


def jsonable(value: Any) -> Any:
    """Return a list or a number for what is like one.

    Raises
    ------
    TypeError
        JSON has nothing for it.
    """
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
