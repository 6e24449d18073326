"""What keys cost that can be made to collide: all but texts, bytes and small whole numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine_config.fileio.pickles.machine import Refused

__all__ = ["HEAVIEST_KEY", "Alike"]

#: what hashing a key may cost, in visits of items; Python keeps no tuple's hash
HEAVIEST_KEY = 1000
# what comparing keys of one hash with one another may cost, in visits of items
_MOST_COMPARISONS = 50_000_000


class Alike:
    """Counts the comparisons that keys of the same hash ask for; honest keys ask for next to none."""

    def __init__(self) -> None:
        self._seen: set[Any] = set()
        self._hashes: Counter[int] = Counter()
        self._comparisons = 0

    def add(self, key: Any, weight: int) -> None:
        """Count one more key, of so many items."""
        number, known = hash(key), len(self._seen)
        self._seen.add(key)
        self._hashes[number] += len(self._seen) - known
        self._comparisons += (self._hashes[number] - 1) * weight
        if self._comparisons > _MOST_COMPARISONS:
            raise Refused("too many keys that are alike by their hashes")
