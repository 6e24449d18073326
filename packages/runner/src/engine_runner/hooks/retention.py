"""Which checkpoints are kept."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Retention"]


class Retention:
    """Keeps the newest files of a row.

    Parameters
    ----------
    limit : int
        How many to keep; below 1 all of them.
    names : iterable of str
        What is kept already, oldest first.
    """

    def __init__(self, limit: int = -1, names: Iterable[str] = ()) -> None:
        self.limit = limit
        self.names = list(names)

    def add(self, name: str) -> list[str]:
        """Take a new name in; return the names that are to go, oldest first."""
        if name in self.names:
            self.names.remove(name)
        self.names.append(name)
        if self.limit < 1:
            return []
        gone = self.names[: -self.limit]
        self.names = self.names[-self.limit :]
        return gone
