"""Whether the ranks' batches are of the same shapes, told without a collective.

A rank keeps at which iterations its batches change their shapes; a thread beside the training publishes
that and compares it with the first rank's. So the first iteration at which two differ is found, though
the ranks are at different iterations by then, or hang in a collective that wanted equal shapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

__all__ = ["BatchShapes", "Course", "first_difference"]

_CHANGES = 32  # that are kept; batches that change all the time differ early


class Course(NamedTuple):
    """Shapes over iterations.

    Attributes
    ----------
    last : int
        The iteration up to which they are known.
    changes : list of (int, dict)
        From which iteration on which entry of a batch has which shape.
    """

    last: int
    changes: list[tuple[int, dict[str, str]]]


class BatchShapes:
    """The shapes of the batches that this rank has seen."""

    def __init__(self) -> None:
        self._shapes: tuple[Any, ...] | None = None
        self._changes: list[tuple[int, tuple[Any, ...]]] = []
        self.last = 0

    def see(self, iteration: int, batch: Any) -> None:
        """Take note of a batch; iterations come in order."""
        shapes = tuple(_shapes_in(batch))
        if shapes != self._shapes:
            self._shapes = shapes
            # a new list: the thread may be reading the other
            self._changes = [*self._changes[1 - _CHANGES :], (iteration, shapes)]
        self.last = iteration

    def course(self) -> Course:
        """Return them as plain values."""
        # the count first: a change that comes meanwhile is of a later iteration
        last = self.last
        return Course(last, [(start, _said(shapes)) for start, shapes in self._changes])


def first_difference(mine: Course, other: Course) -> tuple[int, str, str, str] | None:
    """Return the first iteration known of both at which they differ, the entry and both shapes."""
    if not mine.changes or not other.changes:
        return None
    begin = max(mine.changes[0][0], other.changes[0][0])
    end = min(mine.last, other.last)
    starts = sorted({begin, *(start for start, _ in (*mine.changes, *other.changes))})
    for start in starts:
        if not begin <= start <= end:
            continue
        own, others = _at(mine, start), _at(other, start)
        for name in {**own, **others}:
            pair = own.get(name, "not there"), others.get(name, "not there")
            if pair[0] != pair[1]:
                return start, name, *pair
    return None


def _at(course: Course, iteration: int) -> dict[str, str]:
    return next(shapes for start, shapes in reversed(course.changes) if start <= iteration)


def _shapes_in(batch: Any) -> Iterable[tuple[str, Any]]:
    """Yield names and shapes of tensors, of lists (of a sample each) how many they hold."""
    for name, value in _items(batch):
        if isinstance(value, Tensor):
            yield name, value.shape
        elif isinstance(value, list | tuple):
            yield name, len(value)
        elif isinstance(value, Mapping):
            for inner, tensor in value.items():
                if isinstance(tensor, Tensor):
                    yield f"{name}.{inner}", tensor.shape


def _items(batch: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(batch, Mapping):
        return batch.items()
    return enumerate(batch) if isinstance(batch, list | tuple) else ()


def _said(shapes: tuple[Any, ...]) -> dict[str, str]:
    return {
        str(name): f"{shape} samples" if isinstance(shape, int) else str(list(shape))
        for name, shape in shapes
    }
