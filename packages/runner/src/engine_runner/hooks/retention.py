"""Which checkpoints are kept, and what they are called."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, Generic, TypeAlias, TypeGuard, TypeVar

__all__ = ["Mark", "Retention", "file_name", "is_mark", "mark_amid", "marks_in"]

K = TypeVar("K")

# epochs or iterations done; amid an epoch also the iterations, as "2_iter_7"
Mark: TypeAlias = int | str
_AMID = "_iter_"


class Retention(Generic[K]):
    """Keeps the newest files of a row, known by name or by number.

    Parameters
    ----------
    limit : int
        How many to keep; below 1 all of them.
    names : iterable
        What is kept already, oldest first.
    passing : iterable
        What of that was written at a stop.
    """

    def __init__(
        self, limit: int = -1, names: Iterable[K] = (), passing: Iterable[K] = ()
    ) -> None:
        self.limit = limit
        self.names = list(names)
        self.passing = list(passing)

    def with_one_more(self, name: K, *, passing: bool = False) -> tuple[Retention[K], list[K]]:
        """Return what is kept with a new name, and the names that are to go, oldest first.

        What a stop wrote is passing: once there is a newer one it goes, so that in the end those
        are kept that an unbroken run keeps.
        """
        rest = [kept for kept in self.names if kept != name]
        over = [] if self.limit < 1 else [kept for kept in rest if kept in self.passing]
        names = [*(kept for kept in rest if kept not in over), name]
        if self.limit > 0:
            over += names[: -self.limit]
            names = names[-self.limit :]
        stopped = [name] if passing and name not in self.names else []
        gone = [kept for kept in self.names if kept in over]
        return Retention(self.limit, names, stopped), gone


def mark_amid(epoch: int, iterations: int) -> Mark:
    """Return what stands for a checkpoint amid an epoch, of which so many are done."""
    return f"{epoch}{_AMID}{iterations}"


def is_mark(value: Any) -> TypeGuard[Mark]:
    """Tell whether something, which comes from a file, stands for a checkpoint."""
    amid = isinstance(value, str) and re.fullmatch(rf"\d+{_AMID}\d+", value, re.ASCII) is not None
    return type(value) is int or amid


def marks_in(value: Any) -> list[Mark]:
    """Return what of a list, which comes from a file, stands for checkpoints."""
    listed = isinstance(value, Iterable) and not isinstance(value, (str, bytes))
    return [mark for mark in value if is_mark(mark)] if listed else []


def file_name(template: str, mark: Mark) -> str:
    """Return the name of a checkpoint.

    >>> file_name("epoch_{}.pth", 3), file_name("epoch_{:03d}.pth", "2_iter_7")
    ('epoch_3.pth', 'epoch_002_iter_7.pth')
    """
    if isinstance(mark, int):
        return template.format(mark)
    epoch, _, iterations = mark.partition(_AMID)
    stem, ending = os.path.splitext(template.format(int(epoch)))
    return f"{stem}{_AMID}{iterations}{ending}"
