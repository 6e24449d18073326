"""A set of field names that keeps their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet


class FieldNames(MutableSet[str]):
    """Names in the order in which they were set.

    Examples
    --------
    >>> names = FieldNames(["scores", "boxes"])
    >>> names.discard("scores")
    >>> list(names | {"masks"})
    ['boxes', 'masks']
    """

    __slots__ = ("names",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names: dict[str, None] = dict.fromkeys(names) if names else {}

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self.names))}}}"

    def add(self, value: str) -> None:
        """Add a name at the end, unless it is there."""
        self.names[value] = None

    def discard(self, value: str) -> None:
        """Remove a name, if it is there."""
        self.names.pop(value, None)
