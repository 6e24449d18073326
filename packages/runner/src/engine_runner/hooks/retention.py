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
    """

    def __init__(self, limit: int = -1, names: Iterable[K] = ()) -> None:
        self.limit = limit
        self.names = list(names)

    def add(self, name: K) -> list[K]:
        """Take a new name in; return the names that are to go, oldest first."""
        if name in self.names:
            self.names.remove(name)
        self.names.append(name)
        if self.limit < 1:
            return []
        gone = self.names[: -self.limit]
        self.names = self.names[-self.limit :]
        return gone


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
