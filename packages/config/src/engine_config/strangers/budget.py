"""What an evaluation may take, as far as steps and sizes tell; time and memory the system bounds."""

from __future__ import annotations

from collections.abc import Collection, Sized
from typing import Any

from engine_config.errors import ConfigLimitError

MAX_STEPS = 4_000_000
MAX_ITEMS = 2_000_000

VIEWS: tuple[type[Collection[Any]], ...] = (type({}.keys()), type({}.values()), type({}.items()))
_NESTED: tuple[type[Collection[Any]], ...] = (list, tuple, set, frozenset, *VIEWS)


class Budget:
    """Counts what an evaluation has done; raises, with the place, when it is too much."""

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def spend(self, steps: int) -> None:
        """Take steps off what is left."""
        self.left -= steps
        if self.left < 0:
            raise ConfigLimitError(f"takes more than {MAX_STEPS} steps to be read as data")

    def sized(self, value: Any) -> Any:
        """Return what an operation made, its items or characters counted as steps."""
        if isinstance(value, Sized):
            if len(value) > MAX_ITEMS:
                raise ConfigLimitError(f"makes {len(value)} items; data may have {MAX_ITEMS}")
            self.spend(len(value))
        return value


def passing(value: Any) -> Any:
    """Return the first iterator or view within a value, which is no value of its own."""
    stack, seen = [value], set[int]()
    while stack:
        item = stack.pop()
        if isinstance(item, VIEWS) or hasattr(type(item), "__next__"):
            return item
        within = _within(item)
        if within and id(item) not in seen:  # a list may hold itself
            seen.add(id(item))
            stack.extend(within)
    return None


def _within(item: Any) -> Collection[Any]:
    if isinstance(item, dict):
        return (*item, *dict.values(item))
    return item if isinstance(item, _NESTED) else ()
