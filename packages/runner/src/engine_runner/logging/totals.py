"""What is left of numbers that are not kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass
class Totals:
    """What a mean, the largest and the smallest of numbers are made of."""

    number: int = 0
    count: int = 0
    total: float = 0.0
    largest: float = float("-inf")
    smallest: float = float("inf")

    def add(self, values: npt.NDArray[Any], counts: npt.NDArray[Any]) -> None:
        """Take numbers in; one that is not a number makes the largest and the smallest such."""
        self.number += len(values)
        self.count += int(counts.sum())
        self.total += float(values.sum())
        self.largest = float(np.maximum(self.largest, values.max()))
        self.smallest = float(np.minimum(self.smallest, values.min()))

    def state_dict(self) -> dict[str, Any]:
        """Return the totals as plain numbers."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Totals:
        """Return what `state_dict` was taken of; nothing where there is none of it.

        Raises
        ------
        TypeError
            If it holds what are no numbers.
        """
        found = cls()
        for field in fields(cls):
            value = state.get(field.name, getattr(found, field.name))
            if not isinstance(value, int | float):
                raise TypeError(f"the totals of a history are numbers, got {value!r:.40}")
            setattr(found, field.name, value)
        return found
