"""Whether boxes tile a larger one: each of its points is in one of them, and in one only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

__all__ = ["Box", "tiles"]

#: offsets and sizes
Box = tuple[tuple[int, ...], tuple[int, ...]]

# in more directions nobody splits a tensor; each doubles the corners to be counted
_MOST_SPLIT = 6


def tiles(size: tuple[int, ...], boxes: Sequence[Box]) -> bool:
    """Tell whether boxes within ``size`` fill it without overlap, in time linear in their number.

    How often points are covered changes only at corners: with the corners of each box signed by
    turns, two sets of boxes cover every point equally often if and only if the sums agree.
    """
    boxes = [box for box in boxes if all(box[1])]
    if not all(size):
        return not boxes
    split = [d for d in range(len(size)) if any(sizes[d] != size[d] for _, sizes in boxes)]
    if len(split) > _MOST_SPLIT:
        return False
    corners: Counter[tuple[int, ...]] = Counter()
    for box in boxes:
        _count(corners, box, split, 1)
    _count(corners, ((0,) * len(size), size), split, -1)
    return not any(corners.values())


def _count(corners: Counter[tuple[int, ...]], box: Box, split: list[int], sign: int) -> None:
    offsets, sizes = box
    for ends in product((0, 1), repeat=len(split)):
        corner = tuple(offsets[d] + end * sizes[d] for d, end in zip(split, ends, strict=True))
        corners[corner] += sign * (-1) ** sum(ends)
