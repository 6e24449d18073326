"""Which checkpoints are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["Retention"]

K = TypeVar("K")


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
