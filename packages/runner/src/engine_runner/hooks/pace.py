"""When to look at what only one process measures, so that all look together and seldom."""

from __future__ import annotations

import math
from collections.abc import Callable

from engine_dist import broadcast_object_list

__all__ = ["Pace", "Shared"]


class Pace:
    """Foretells after how many iterations to look at a count again, by how fast it has grown.

    That is when half of what is left has passed, and at most twice the iterations of the time
    before: so from one time to the next the looks are about twice the binary logarithm of the
    iterations. Where iterations grow slower in between, a time is told late, by half of what was
    left at the most recent look.

    Parameters
    ----------
    done : int
        Iterations done.
    value : float
        The count by then.
    """

    def __init__(self, done: int, value: float) -> None:
        self._done = done
        self._value = value
        self._step = 1

    def next_look(self, done: int, value: float, target: float) -> int:
        """Return the iteration after which to look again, having looked at ``value`` now."""
        grown = (value - self._value) / max(done - self._done, 1)
        half = (target - value) / grown / 2 if grown > 0 else math.inf
        self._done, self._value = done, value
        self._step = max(int(min(half, 2 * self._step)), 1)
        return done + self._step


class Shared:
    """Tells all processes at one iteration that rank 0 has counted so far.

    Parameters
    ----------
    measure : callable
        Returns the count of now; what it says on rank 0 counts.
    n : float
        From one time to the next.
    done : int
        Iterations done.
    begin : float
        The first count that may be due; by default ``n``.
    """

    def __init__(
        self, measure: Callable[[], float], n: float, done: int, begin: float | None = None
    ) -> None:
        self._measure = measure
        self._n = n
        self._begin = n if begin is None else begin
        self.look = done + 1  # the iteration after which all processes look
        value = measure()
        self._pace = Pace(done, value)
        self._target = self._target_after(value)

    def reached(self, done: int) -> bool:
        """Tell whether a time has come by now; every process asks after every such iteration."""
        if done < self.look:
            return False
        value = self._measure()
        due = value >= self._target
        if due:
            self._target = self._target_after(value)
        said = [due, self._pace.next_look(done, value, self._target)]
        broadcast_object_list(said)
        self.look = said[1]
        return bool(said[0])

    def _target_after(self, value: float) -> float:
        if value < self._begin:
            return self._begin
        passed = math.floor((value - self._begin) / self._n) + 1
        return self._begin + passed * self._n
