"""How long a training may take."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from engine_runner.hooks.pace import Shared

__all__ = ["TimeLimit", "seconds_of"]

_FORM = re.compile(r"(?:(\d+):)?(\d+):([0-5]?\d):([0-5]?\d)", re.ASCII)


def seconds_of(max_time: float | str) -> float:
    """Return the seconds of a time.

    Parameters
    ----------
    max_time : number or str
        Seconds, or ``"hh:mm:ss"``, or ``"dd:hh:mm:ss"``.

    Raises
    ------
    ValueError
        If it is no such time, or none that passes.

    Examples
    --------
    >>> seconds_of("01:30:00"), seconds_of("1:00:00:00")
    (5400.0, 86400.0)
    """
    if isinstance(max_time, str) and (found := _FORM.fullmatch(max_time.strip())):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        max_time = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    number = isinstance(max_time, (int, float)) and not isinstance(max_time, bool)
    if not number or not 0 < float(max_time) < math.inf:
        raise ValueError(
            "max_time takes seconds, 'hh:mm:ss' or 'dd:hh:mm:ss', of more than 0; "
            f"got {max_time!r}"
        )
    return float(max_time)


class TimeLimit:
    """Tells on all processes after one iteration that the time is up, by rank 0's clock.

    Parameters
    ----------
    seconds : float
        How long it takes.
    clock : callable
        Tells seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._clock = clock
        self._shared: Shared | None = None
        self._up = False

    def begin(self, done: int) -> None:
        """Let the time run from now, after so many iterations."""
        start, self._up = self._clock(), False
        self._shared = Shared(lambda: self._clock() - start, self.seconds, done)

    def is_up(self, done: int) -> bool:
        """Tell whether it is up after so many iterations; every process asks."""
        if self._shared is None:
            self.begin(done - 1)
            return self.is_up(done)
        self._up = self._up or self._shared.reached(done)
        return self._up
