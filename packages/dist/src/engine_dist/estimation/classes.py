"""What memory is held for, and what is sent by which collective: the figures of a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["CLASSES", "Class", "Footprint", "Traffic"]

Class = Literal["parameters", "gradients", "optimizer state", "communication", "activations"]
#: what memory is held for
CLASSES: tuple[Class, ...] = (
    "parameters", "gradients", "optimizer state", "communication", "activations",
)  # fmt: skip


@dataclass(frozen=True)
class Footprint:
    """The most that one process holds in a step, in bytes.

    Attributes
    ----------
    most : Mapping
        By class, the most that is held of it at any time of the step.
    at_peak : Mapping
        By class, what is held when all together are at their most.
    when : str
        The part of the step that this is in, and the operation.
    """

    most: Mapping[Class, int]
    at_peak: Mapping[Class, int]
    when: str

    @property
    def peak(self) -> int:
        """The most that is held of all classes together."""
        return sum(self.at_peak.values())


@dataclass(frozen=True)
class Traffic:
    """What one process sends in a step, in bytes.

    Attributes
    ----------
    sent : Mapping
        By collective, the bytes that a process sends to others where they stand in a ring: of
        ``n`` processes and ``s`` bytes an all-reduce ``2 s (n - 1) / n``, an all-gather, a
        reduce-scatter, a broadcast and an all-to-all ``s (n - 1) / n`` of the whole.
    calls : Mapping
        By collective, how often it is called.
    """

    sent: Mapping[str, float]
    calls: Mapping[str, int]

    @property
    def total(self) -> float:
        """The bytes of all collectives."""
        return sum(self.sent.values())

    @classmethod
    def of_all(cls, parts: Iterable[Traffic]) -> Traffic:
        """Return what several parts of a step send."""
        sent: Counter[str] = Counter()
        calls: Counter[str] = Counter()
        for part in parts:
            sent.update(part.sent)
            calls.update(part.calls)
        return cls(dict(sent), dict(calls))
