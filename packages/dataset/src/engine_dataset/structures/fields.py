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

    __slots__ = ("_names",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = dict.fromkeys(names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self._names))}}}"

    def add(self, value: str) -> None:
        """Add a name at the end, unless it is there."""
        self._names[value] = None

    def discard(self, value: str) -> None:
        """Remove a name, if it is there."""
        self._names.pop(value, None)
