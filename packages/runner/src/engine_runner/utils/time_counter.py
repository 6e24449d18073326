"""How long a function takes on average, or a block of code."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import ClassVar, ParamSpec, TypeVar

import torch
from typing_extensions import Self

from engine_dist import is_main_process
from engine_runner.logging import print_log

__all__ = ["TimeCounter"]

P = ParamSpec("P")
R = TypeVar("R")


class TimeCounter:
    """Average how long a function takes, as its decorator, or a block, as its context.

    The main process counts alone. What a tag names is one counter, however often it is asked for.

    Parameters
    ----------
    log_interval : int
        At every how many runs the average is told.
    warmup_interval : int
        The number of the first run that counts: what comes before warms up. Of a block of code, all
        count.
    with_sync : bool
        Whether to wait for the device's work before the clock is read.
    tag : str, optional
        The counter's name; a function's own by default.
    logger : logging.Logger or str, optional
        Who is told, as of `print_log`; by default it is printed.

    Examples
    --------
    >>> @TimeCounter(log_interval=2)
    ... def work():
    ...     pass
    >>> with TimeCounter(tag="a block"):
    ...     pass  # doctest: +ELLIPSIS
    [a block]-time per run averaged in the past 1 runs: ... ms
    """

    instance_dict: ClassVar[dict[str, TimeCounter]] = {}

    log_interval: int
    warmup_interval: int
    with_sync: bool
    tag: str | None
    logger: logging.Logger | str | None

    def __new__(  # noqa: D102  # the class says it
        cls,
        log_interval: int = 1,
        warmup_interval: int = 1,
        with_sync: bool = True,
        tag: str | None = None,
        logger: logging.Logger | str | None = None,
    ) -> Self:
        for name, value in (("log_interval", log_interval), ("warmup_interval", warmup_interval)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an int of at least 1, got {value!r}")
        known = cls.instance_dict.get(tag) if tag is not None else None
        if isinstance(known, cls):
            return known
        made = super().__new__(cls)
        made.log_interval, made.warmup_interval = log_interval, warmup_interval
        made.with_sync, made.tag, made.logger = with_sync, tag, logger
        made._runs, made._seconds = 0, 0.0
        if tag is not None:
            cls.instance_dict[tag] = made
        return made

    _runs: int
    _seconds: float

    def __call__(self, fn: Callable[P, R]) -> Callable[P, R]:
        """Return the function, whose runs are counted from now on."""
        if self.tag is None:
            self.tag = fn.__name__
        self.instance_dict[self.tag] = self

        @functools.wraps(fn)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            if not is_main_process():
                return fn(*args, **kwargs)
            begun = self._clock()
            result = fn(*args, **kwargs)
            self._runs += 1
            elapsed = self._clock() - begun
            if self._runs >= self.warmup_interval:
                self._seconds += elapsed
                self.print_time(elapsed)
            return result

        return timed

    def __enter__(self) -> Self:
        if self.tag is None:
            raise ValueError("a block of code needs a name: TimeCounter(tag='...')")
        if is_main_process():
            self.warmup_interval = 1
            self._begun = self._clock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if is_main_process() and error is None:
            self._runs += 1
            elapsed = self._clock() - self._begun
            self._seconds += elapsed
            self.print_time(elapsed)

    def print_time(self, elapsed: float) -> None:
        """Tell the average, if it is time to.

        Parameters
        ----------
        elapsed : float
            Seconds of the last run, which is counted already.
        """
        if self._runs % self.log_interval == 0:
            runs = self._runs - self.warmup_interval + 1
            message = (
                f"[{self.tag}]-time per run averaged in the past {runs} runs: "
                f"{1000 * self._seconds / runs:.1f} ms"
            )
            print_log(message, self.logger)

    def _clock(self) -> float:
        if self.with_sync and torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()
