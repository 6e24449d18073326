"""Schedules as pure functions of the step: the factor by which the initial value is multiplied.

Every function takes the step ``t`` (0 at the schedule's first step) and returns a factor; a
schedule's value is ``floor + factor * (initial - floor)`` with the floor 0 or ``eta_min``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import cos, pi
from typing import Literal

__all__ = [
    "Decay",
    "constant",
    "cosine",
    "exponential",
    "linear",
    "multi_step",
    "one_cycle",
    "poly",
    "staircase",
    "warmup_stable_decay",
]

Decay = Literal["linear", "cosine", "sqrt"]


def constant(t: int, factor: float, total: int) -> float:
    """Return ``factor`` before step ``total`` and 1 from there on.

    >>> [constant(t, 0.5, 2) for t in range(4)]
    [0.5, 0.5, 1.0, 1.0]
    """
    return factor if t < total or t == 0 else 1.0


def linear(t: int, start: float, end: float, total: int) -> float:
    """Go in a straight line from ``start`` at step 0 to ``end`` at step ``total``, then stay.

    >>> [linear(t, 0.0, 1.0, 4) for t in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
    """
    if t < total:
        return start + (end - start) * t / total
    return end if t else start


def exponential(t: int, gamma: float) -> float:
    """Multiply by ``gamma`` every step.

    >>> exponential(3, 0.5)
    0.125
    """
    return float(gamma**t)


def staircase(t: int, step_size: int, gamma: float) -> float:
    """Multiply by ``gamma`` every ``step_size`` steps.

    >>> [staircase(t, 2, 0.5) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return float(gamma ** (t // step_size))


def multi_step(t: int, milestones: Sequence[int], gamma: float) -> float:
    """Multiply by ``gamma`` at each milestone (sorted; one named twice counts twice).

    >>> [multi_step(t, [1, 3, 3], 0.5) for t in range(4)]
    [1.0, 0.5, 0.5, 0.125]
    """
    return float(gamma ** bisect_right(milestones, t))


def poly(t: int, total: int, power: float) -> float:
    """Fall to 0 at step ``total`` along a power of the remaining share.

    >>> [poly(t, 4, 1.0) for t in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """
    if t < total:
        return float((1 - t / total) ** power)
    return 0.0 if t else 1.0


def cosine(t: float, half_period: float) -> float:
    """Swing between 1 and 0 with the given number of steps from top to bottom.

    >>> [round(cosine(t, 4), 3) for t in (0, 2, 4, 8)]
    [1.0, 0.5, 0.0, 1.0]
    """
    return (1 + cos(pi * t / half_period)) / 2


def one_cycle(
    t: float, ends: Sequence[float], levels: Sequence[float], anneal: Literal["cos", "linear"]
) -> float:
    """Go through ``levels`` in turn, the i-th phase ending at step ``ends[i]``.

    >>> [one_cycle(t, [2, 4], [0.0, 1.0, 0.5], "linear") for t in (0, 1, 2, 3, 4)]
    [0.0, 0.5, 1.0, 0.75, 0.5]
    """
    begin = 0.0
    last = len(ends) - 1
    for phase, end in enumerate(ends):
        if t <= end or phase == last:
            share = (t - begin) / (end - begin) if end != begin else 1.0
            first, second = levels[phase], levels[phase + 1]
            if anneal == "linear":
                return first + (second - first) * share
            return second + (first - second) * cosine(share, 1)
        begin = end
    return levels[-1]


def warmup_stable_decay(
    t: int, warmup: int, decay_begin: int, total: int, start: float, end: float, decay: Decay
) -> float:
    """Rise from ``start`` to 1, stay, and fall to ``end`` between ``decay_begin`` and ``total``.

    >>> [warmup_stable_decay(t, 2, 4, 6, 0.0, 0.0, "linear") for t in range(7)]
    [0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0]
    """
    if t < warmup:
        return linear(t, start, 1.0, warmup)
    if t <= decay_begin:
        return 1.0
    share = min(1.0, (t - decay_begin) / (total - decay_begin))
    fall = {
        "linear": 1 - share,
        "cosine": (1 + cos(pi * share)) / 2,
        "sqrt": 1 - float(share**0.5),
    }[decay]
    return end + (1 - end) * fall
