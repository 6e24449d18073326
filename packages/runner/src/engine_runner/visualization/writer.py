"""A thread that does what it is given, in order, so that who gives it need not wait."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Writer"]

logger = logging.getLogger("engine.runner")

T = TypeVar("T")

_IDLE = 5.0  # seconds without work after which the thread ends; the next work starts another
_REST = 0.05  # seconds between two turns of the thread: waking it costs more than a line's work
_PATIENCE = 60.0  # seconds that the end of a process waits for one piece of work

_all: weakref.WeakSet[Writer[Any]] = weakref.WeakSet()


class Writer(Generic[T]):
    """Does work on a thread: what waits is bounded, none is dropped, and a process ends after it.

    The thread starts with the first work. A process that is forked has the writer without what
    waits, which is its parent's to do.

    Parameters
    ----------
    work : callable
        Called on the thread with each piece; what it raises is logged.
    pieces : int
        How many may wait; `put` waits while there are more.
    most : int
        How many bytes they may hold.
    """

    def __init__(
        self, work: Callable[[T], object], pieces: int = 1000, most: int = 64 * 2**20
    ) -> None:
        self._work = work
        self._pieces = pieces
        self._most = most
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        # one that who holds it may take again: a signal's handler may want what its thread wants
        self._turn = threading.Condition(threading.RLock())
        self._queue: deque[tuple[T, int]] = deque()
        self._size = 0
        self._given = 0
        self._done = 0
        self._idle = False  # whether the thread sleeps until there is work
        self._wanted = 0  # how many wait for the thread, which is not to rest meanwhile
        self._thread: threading.Thread | None = None

    def put(self, piece: T, size: int = 0) -> None:
        """Give a piece of work that holds so many bytes; wait while too much is waiting."""
        with self._turn:
            while self._is_full(size) and threading.current_thread() is not self._thread:
                self._wait(_IDLE)
            self._queue.append((piece, size))
            self._size += size
            self._given += 1
            if self._thread is None:
                self._start()
            elif self._idle:
                self._turn.notify_all()

    def flush(self, patience: float | None = None) -> bool:
        """Wait until all that was given so far is done.

        Parameters
        ----------
        patience : float, optional
            The seconds that one piece may take; by default as long as it does.

        Returns
        -------
        bool
            Whether it is done.
        """
        with self._turn:
            goal = self._given
            while self._done < goal and threading.current_thread() is not self._thread:
                before = self._done
                self._wait(_IDLE if patience is None else patience)
                if patience is not None and self._done == before:
                    return False
        return True

    @property
    def waiting(self) -> int:
        """How many pieces are not done."""
        return self._given - self._done

    def _is_full(self, size: int) -> bool:
        return self.waiting > 0 and (
            self.waiting >= self._pieces or self._size + size > self._most
        )

    def _wait(self, seconds: float) -> None:
        """Let the thread work, until it has done something or for a time."""
        if self._thread is None:
            self._start()
        self._wanted += 1
        self._turn.notify_all()
        try:
            self._turn.wait(seconds)
        finally:
            self._wanted -= 1

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="engine-writer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        turn = self._turn
        while True:
            with turn:
                if not self._next():
                    self._thread = None
                    return
                pieces = list(self._queue)
                self._queue.clear()
            for piece, size in pieces:
                try:
                    self._work(piece)
                except BaseException:  # one that ends a program is to end its own piece alone
                    logger.exception("what was to be written is lost")
                self._done += 1  # by this thread alone
                if size or self._wanted:
                    with turn:
                        self._size -= size
                        turn.notify_all()

    def _next(self) -> bool:
        """Wait for work; tell whether there is some."""
        if self._wanted:  # who began to wait as the last piece ended
            self._turn.notify_all()
        if self._queue:
            return True
        self._turn.wait_for(lambda: self._wanted, _REST)
        self._idle = True
        found = self._turn.wait_for(lambda: self._queue, _IDLE)
        self._idle = False
        return bool(found)


def _finish() -> None:
    for writer in list(_all):
        if not writer.flush(_PATIENCE):
            logger.warning(
                "%d pieces of what was to be written when the process ended are lost: nothing was "
                "written for %g s", writer.waiting, _PATIENCE,
            )  # fmt: skip


def _after_fork() -> None:
    for writer in list(_all):
        writer._begin()


atexit.register(_finish)
if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork)
