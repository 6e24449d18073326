"""What an evaluation may take: steps, items and keys, each counted."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any

from engine_config.errors import ConfigLimitError

MAX_STEPS = 4_000_000
MAX_ITEMS = 2_000_000
# Keys whose hashes a text can choose: alike, they would make a table as slow as a list.
MAX_CHOSEN_KEYS = 500
_CHOSEN = (tuple, frozenset, complex, range, slice)


VIEWS: tuple[type[Iterable[Any]], ...] = (type({}.keys()), type({}.values()), type({}.items()))
# What is printed or compared with all that is in it.
_NESTED: tuple[type[Iterable[Any]], ...] = (list, tuple, set, frozenset, *VIEWS)


class Budget:
    """Counts what an evaluation has done; raises when it is too much."""

    def __init__(self) -> None:
        self.left = MAX_STEPS
        self.chosen_keys = 0

    def spend(self, steps: int) -> None:
        """Take steps off what is left."""
        self.left -= steps
        if self.left < 0:
            raise ConfigLimitError(f"takes more than {MAX_STEPS} steps to be read as data")

    def allow(self, size: int) -> None:
        """Agree to make something of so many items or characters."""
        if size > MAX_ITEMS:
            raise ConfigLimitError(f"would make {size} items; data may have {MAX_ITEMS}")
        self.spend(size)

    def walk(self, *values: Any) -> None:
        """Agree to go through all that is in some values, what is in them twice also twice."""
        self.allow(expanded_size(values))

    def hashed(self, keys: Iterable[Any]) -> None:
        """Agree to put keys into a dictionary or a set."""
        for key in keys:
            large = type(key) is int and key.bit_length() > 60
            if large or isinstance(key, _CHOSEN):
                self.chosen_keys += 1
        if self.chosen_keys > MAX_CHOSEN_KEYS:
            raise ConfigLimitError(
                f"has more than {MAX_CHOSEN_KEYS} keys that are tuples or large numbers; use strings"
            )

    def sized(self, value: Any) -> Any:
        """Return a value once its size is counted."""
        if isinstance(value, Sized):
            self.allow(len(value))
        return value


def expanded_size(values: Iterable[Any]) -> int:
    """Count nested values and characters; stop counting where it is too much."""
    total, stack = 0, list(values)
    while stack and total <= MAX_ITEMS:
        item = stack.pop()
        total += len(item) if isinstance(item, str | bytes) else 1
        stack.extend(_within(item))
    return total


def passing(value: Any) -> Any:
    """Return the first iterator or view within a value, which is no value of its own."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, VIEWS) or hasattr(type(item), "__next__"):
            return item
        stack.extend(_within(item))
    return None


def _within(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return (*item, *dict.values(item))
    return item if isinstance(item, _NESTED) else ()
