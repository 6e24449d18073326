"""Where values were set: one place in a file, and the chain of them for every value of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

Path = tuple[Any, ...]  # the keys that lead to a value


class Origin(NamedTuple):
    """Where a value was set; ``line`` and ``column`` count from 1, a line of 0 means no file."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


Locate = Callable[[Path], "Origin | None"]
COMPUTED = object()  # stands for the keys that are computed, wherever these are set


class Origins:
    """Where one value was set, the last one in force, and where what is within it was."""

    __slots__ = ("chain", "children", "deletes")

    def __init__(
        self,
        chain: tuple[Origin, ...] = (),
        children: dict[Any, Origins] | None = None,
        deletes: bool = False,
    ) -> None:
        self.chain = chain
        self.children = children
        self.deletes = deletes

    def find(self, path: Iterable[Any]) -> Origins | None:
        """Return the origins of what is at a path; ``None`` where nothing more is known."""
        found: Origins | None = self
        for key in path:
            if found is None or found.children is None:
                return None
            found = found.children.get(key) or found.children.get(COMPUTED)
        return found

    def copy(self) -> Origins:
        """Return a copy, and of all within it."""
        children = self.children
        if children is not None:
            children = {key: inner.copy() for key, inner in children.items()}
        return Origins(self.chain, children, self.deletes)

    def over(self, old: Origins) -> Origins:
        """Return the origins of a value merged over another: the old ones come first."""
        children = self.children
        if children is not None and old.children is not None:
            merged = {} if self.deletes else dict(old.children)
            for key, inner in children.items():
                below = old.children.get(key)
                merged[key] = inner if below is None else inner.over(below)
            children = merged
        # A value made from the base's, such as ``_base_.a + [1]``, has the base's chain already.
        known = self.chain[: len(old.chain)] == old.chain
        return Origins(self.chain if known else old.chain + self.chain, children)
