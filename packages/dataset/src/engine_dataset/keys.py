"""What of a sampler's order a pass reads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

__all__ = ["Keys"]


class Keys:
    """What a sampler or batch sampler gives, cut, and with its first given several times.

    Parameters
    ----------
    source
        The sampler or batch sampler.

    Attributes
    ----------
    most : int, optional
        What a pass ends with at the latest.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._begun: Iterator[Any] | None = None
        self.most: int | None = None

    def repeat_first(self, times: int) -> bool:
        """Let the next pass begin with so many more of its first; False where it has none."""
        keys = self._begin()
        first = list(islice(keys, 1))
        self._begun = chain(first * (times + 1), keys) if first else None
        return bool(first)

    def __iter__(self) -> Iterator[Any]:
        # not before the first is wanted: torch makes two iterators for a pass, and uses one
        begun, self._begun = self._begun, None
        yield from self._begin() if begun is None else begun

    def _begin(self) -> Iterator[Any]:
        keys = iter(self._source)
        if self.most == 0:
            next(keys, None)  # so that the sampler has begun, and goes on from there no more
        return keys if self.most is None else islice(keys, self.most)

    def __len__(self) -> int:
        return len(self._source)
