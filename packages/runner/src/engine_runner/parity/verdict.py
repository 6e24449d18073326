"""What a comparison found of a strategy, and what may be behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from engine_runner.parity.course import Bounds, Course, Gaps

__all__ = ["Ruling", "Verdict", "causes", "judged"]

Ruling = Literal["equal", "differs", "refused", "not installed", "failed"]


@dataclass(frozen=True)
class Verdict:
    """What a comparison found of a strategy.

    Attributes
    ----------
    strategy : str
        Its name.
    ruling : str
        ``"equal"``, ``"differs"``, ``"refused"``, ``"not installed"`` or ``"failed"``.
    why : tuple of str
        Where it differs first, and what may be behind it; or why it was not tried.
    gaps : Gaps, optional
        How far it was from one device, where it trained.
    """

    strategy: str
    ruling: Ruling
    why: tuple[str, ...] = ()
    gaps: Gaps | None = field(default=None, compare=False)


def judged(strategy: str, found: Gaps, causes_of: Iterator[str]) -> Verdict:
    """Return the verdict on a strategy that has trained."""
    if not found.spots:
        return Verdict(strategy, "equal", (), found)
    return Verdict(strategy, "differs", (*map(str, found.spots), *causes_of), found)


def causes(own: Course, alone: Course, bounds: Bounds) -> Iterator[str]:
    """Yield what of a model or its data makes trainings differ, whatever the strategy.

    Parameters
    ----------
    own, alone : Course
        The strategy's, and that of one device.
    bounds : Bounds
        What was not too much.
    """
    parted = own.share[1] > 1
    if sorted(own.samples) != sorted(alone.samples):
        yield (
            "the samples themselves differ: something that makes them draws from a generator of its "
            "own, or counts how often it is asked; switch it off for the comparison"
        )
    if parted and own.batch_norm:
        first, more = own.batch_norm[0], len(own.batch_norm) - 1
        others = f" and {more} more" if more else ""
        yield (
            f"batch norm ({first}{others}) normalises the samples of each process by themselves, which "
            "is not what one device does with all of them, under any strategy; with sync_bn='torch' it "
            "normalises over all"
        )
    elif parted:
        yield from _of_parts(alone, bounds)
    if own.draws or alone.draws:
        yield (
            "the model draws random numbers in its iterations, others on each process; switch it off "
            "for the comparison"
        )


def _of_parts(alone: Course, bounds: Bounds) -> Iterator[str]:
    for name, (together, mean) in alone.of_parts.items():
        if abs(together - mean) > bounds.loss * abs(together):
            yield (
                f"the model's {name} on the first samples together is {together:.9g}, and the mean of "
                f"those on the parts {mean:.9g}, on one device as well: it uses the size of the batch, or "
                "is a mean over what samples have unequal numbers of (tokens, boxes); hand "
                "update_params such a number as count=, or let the loss be a mean over samples"
            )
