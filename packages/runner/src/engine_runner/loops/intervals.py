"""When a training run validates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["milestones"]


def milestones(val_interval: Any, dynamic_intervals: Any) -> list[tuple[int, int]]:
    """Return from which epoch or iteration on which interval holds, in order.

    Raises
    ------
    ValueError
        If an interval is no number of 1 or more, or they are no pairs.
    """
    _check("val_interval", val_interval, least=1)
    if dynamic_intervals is None:
        return [(0, val_interval)]
    return [(0, val_interval), *sorted(_pairs(dynamic_intervals))]


def _pairs(dynamic_intervals: Any) -> Iterable[tuple[int, int]]:
    pairs = dynamic_intervals if isinstance(dynamic_intervals, list | tuple) else [None]
    for pair in pairs:
        if not (isinstance(pair, list | tuple) and len(pair) == 2):
            raise ValueError(
                "dynamic_intervals must be pairs of where an interval begins and the interval, "
                f"such as [(0, 5), (90, 1)], got {dynamic_intervals!r}"
            )
        _check("where an interval of dynamic_intervals begins", pair[0], least=0)
        _check("an interval of dynamic_intervals", pair[1], least=1)
        yield pair[0], pair[1]


def _check(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int | float) or not value >= least:
        raise ValueError(f"{name} must be a number of {least} or more, got {value!r}")
