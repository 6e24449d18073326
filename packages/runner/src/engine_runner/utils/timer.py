"""How long something takes."""

from __future__ import annotations

import time
from types import TracebackType

from typing_extensions import Self

__all__ = ["Timer", "TimerError", "check_time"]


class TimerError(Exception):
    """A timer was asked that does not run."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class Timer:
    """A stop watch, by itself or around a block of code.

    Parameters
    ----------
    start : bool
        Whether it runs from now on.
    print_tmpl : str, optional
        What a block prints at its end, with the seconds in place of ``{}``.

    Examples
    --------
    >>> with Timer(print_tmpl="it took {:.0f} s"):
    ...     pass
    it took 0 s
    """

    def __init__(self, start: bool = True, print_tmpl: str | None = None) -> None:
        self._is_running = False
        self.print_tmpl = print_tmpl if print_tmpl else "{:.3f}"
        if start:
            self.start()

    @property
    def is_running(self) -> bool:
        """Whether it was started."""
        return self._is_running

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        print(self.print_tmpl.format(self.since_last_check()))
        self._is_running = False

    def start(self) -> None:
        """Start it, or have what runs be asked from now on."""
        now = time.perf_counter()
        if not self._is_running:
            self._started = now
            self._is_running = True
        self._checked = now

    def since_start(self) -> float:
        """Return the seconds since its start."""
        self._checked = self._now()
        return self._checked - self._started

    def since_last_check(self) -> float:
        """Return the seconds since it was last asked, or started."""
        before, self._checked = self._checked_before(), self._now()
        return self._checked - before

    def _checked_before(self) -> float:
        self._now()
        return self._checked

    def _now(self) -> float:
        if not self._is_running:
            raise TimerError("timer is not running; call start()")
        return time.perf_counter()


_TIMERS: dict[str, Timer] = {}


def check_time(timer_id: str) -> float:
    """Return the seconds since this was last called with a name; 0 the first time.

    Parameters
    ----------
    timer_id : str
        The name.
    """
    if timer_id not in _TIMERS:
        _TIMERS[timer_id] = Timer()
        return 0
    return _TIMERS[timer_id].since_last_check()
