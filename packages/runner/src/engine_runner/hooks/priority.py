"""When a hook has its turn among the others."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Priority", "get_priority"]


class Priority(IntEnum):
    """Named priorities; the lower number goes first."""

    HIGHEST = 0
    VERY_HIGH = 10
    HIGH = 30
    ABOVE_NORMAL = 40
    NORMAL = 50
    BELOW_NORMAL = 60
    LOW = 70
    VERY_LOW = 90
    LOWEST = 100


def get_priority(priority: int | str | Priority) -> int:
    """Return a priority as a number from 0 to 100.

    Raises
    ------
    ValueError
        If the number is out of range or the name unknown.
    TypeError
        If it is neither a number nor a name.
    """
    if isinstance(priority, bool) or not isinstance(priority, (int, str)):
        raise TypeError(f"a priority is a number or a name, got {type(priority).__name__}")
    if isinstance(priority, str):
        try:
            return Priority[priority.upper()].value
        except KeyError:
            raise ValueError(
                f"unknown priority {priority!r}; use one of {', '.join(Priority.__members__)}"
            ) from None
    if not 0 <= priority <= 100:
        raise ValueError(f"a priority is between 0 and 100, got {int(priority)}")
    return int(priority)
