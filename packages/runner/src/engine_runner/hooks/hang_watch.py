"""Whether a run still goes on, and where it stands where it does not."""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

__all__ = ["Beat", "HangWatch", "dump_stacks"]


class Beat(NamedTuple):
    """A sign of life: what was begun or done, counted from 1, and when (monotonic seconds)."""

    phase: str
    iteration: int
    time: float


class HangWatch:
    """Tells, by a thread, where a process has given no sign of life for too long.

    A beat costs the making of a tuple: nothing is locked, and no timer is set. The thread runs
    while the process waits for a device, for other ranks or for a file; not while an extension
    holds the interpreter's lock.

    Parameters
    ----------
    timeout : float
        Seconds without a beat that are a hang.
    on_hang : callable
        Called by the thread with the last beat, and the seconds since; once for each silence.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        timeout: float,
        on_hang: Callable[[Beat, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.timeout = timeout
        self._on_hang = on_hang
        self._clock = clock
        self._last: Beat | None = None
        self._told: Beat | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def beat(self, phase: str, iteration: int) -> None:
        """Give a sign of life."""
        self._last = Beat(phase, iteration, self._clock())

    def look(self) -> None:
        """Tell of a hang, where there is one that was not told of."""
        last = self._last
        if last is None or last is self._told:
            return
        silent = self._clock() - last.time
        if silent >= self.timeout:
            self._told = last
            self._on_hang(last, silent)

    def start(self) -> None:
        """Begin to watch."""
        self._over.clear()
        self._last = self._told = None
        self._thread = threading.Thread(target=self._watch, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more; the thread has ended when this returns."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(min(self.timeout / 4, 5.0)):
            self.look()


def dump_stacks(file: Path, head: str) -> None:
    """Append to a file what every thread of this process is at."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(f"{head}\n")
        stream.flush()
        faulthandler.dump_traceback(stream, all_threads=True)
