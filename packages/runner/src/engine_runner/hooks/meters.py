"""Whether something is due by now, in whatever unit, alike on all processes."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from engine_dist import data_parallel
from engine_runner.hooks.every import Every, Unit
from engine_runner.hooks.pace import Shared
from engine_runner.protocols import RunnerLike

__all__ = ["Meter", "meter_of"]


class Meter(ABC):
    """Tells after each iteration whether something is due, and foretells when it has to be asked.

    Attributes
    ----------
    last : bool
        Whether the last iteration may be due besides; of that it does not tell.
    """

    unit: Unit = "iteration"

    def __init__(self, last: bool) -> None:
        self.last = last

    @abstractmethod
    def next_after(self, done: int) -> int | None:
        """Return the iteration, above ``done``, after which it has to be asked next."""

    @abstractmethod
    def reached(self, done: int) -> bool:
        """Tell whether something is due after so many iterations; every process asks."""


class Counting(Meter):
    """Of what each iteration has as much as another.

    Parameters
    ----------
    every : Every
        How often.
    size : int
        What an iteration counts.
    """

    def __init__(self, every: Every, size: int = 1) -> None:
        super().__init__(every.last)
        self._every = every
        self._size = size

    def next_after(self, done: int) -> int | None:
        count = self._every.next_after(done * self._size)
        return None if count is None else -(-count // self._size)

    def reached(self, done: int) -> bool:
        return self.next_after(done - 1) == done


class Measuring(Meter):
    """Of what is measured, and agreed upon at iterations that were agreed upon before."""

    def __init__(self, every: Every, measure: Callable[[], float], done: int) -> None:
        super().__init__(every.last)
        self._shared = Shared(measure, every.n, done, every.begin or None)

    def next_after(self, done: int) -> int:
        return max(self._shared.look, done + 1)

    def reached(self, done: int) -> bool:
        return self._shared.reached(done)


def meter_of(
    every: Every, runner: RunnerLike, clock: Callable[[], float] = time.monotonic
) -> Meter:
    """Return what tells of a training that goes on from now.

    Parameters
    ----------
    every : Every
        How often something is due, in any unit but epochs.
    runner : RunnerLike
        Whose training loop trains.
    clock : callable
        Tells seconds; that of rank 0 counts.

    Raises
    ------
    ValueError
        If the loop cannot count the unit.
    """
    loop = runner.train_loop
    if every.n <= 0 or every.unit == "iteration":
        return Counting(every)
    if every.unit == "samples":
        return Counting(every, samples_of(loop.dataloader) * data_parallel().size)
    if every.unit == "seconds":
        start = clock()
        return Measuring(every, lambda: clock() - start, runner.iter)
    if every.unit == "tokens" and hasattr(loop, "count_tokens"):
        return Measuring(every, loop.count_tokens(), runner.iter)
    raise ValueError(
        f"{type(loop).__name__} counts no {every.unit}, and an interval of {every} needs that; "
        "loops that are derived from TrainLoop count iterations, seconds, samples and tokens"
    )


def samples_of(loader: Any) -> int:
    """Return how many samples a batch of a loader has.

    Raises
    ------
    ValueError
        If it does not say.
    """
    for owner in (loader, getattr(loader, "batch_sampler", None)):
        size = getattr(owner, "batch_size", None)
        if isinstance(size, int) and size > 0:
            return size
    raise ValueError(
        f"an interval in samples needs the size of a batch, and {type(loader).__name__} says none: "
        "it has no batch_size, nor a batch_sampler that has one; count iterations or seconds"
    )
