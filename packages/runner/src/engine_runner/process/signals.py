"""Signals of a process, heard by a thread, also while the main thread is deep in a library.

Python calls a signal's handler between two instructions of the main thread: not while that waits in a
collective or for a device. The system's own handler writes the signal's number to a file at once, and a
thread reads it there.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["Ears", "number_of", "on_fork"]


def number_of(name: str) -> int | None:
    """Return the number of a signal by its name, or None where the system has none of it."""
    found = getattr(signal, name, None)
    return None if found is None else int(found)


class Ears:
    """Hears signals that nothing else in the program cares for.

    A handler of the user's own stays, and so does a signal that is ignored, as by ``nohup``: neither is
    heard. Only the main thread can begin and end.

    Parameters
    ----------
    on_main : callable
        Called with the number by the main thread, between two of its instructions.
    on_thread : callable
        Called with the number by a thread of its own, at once.
    tick : callable
        Called by that thread again and again; returns the seconds until it is to be called anew.
    """

    def __init__(
        self,
        on_main: Callable[[int], None],
        on_thread: Callable[[int], None],
        tick: Callable[[], float],
    ) -> None:
        self._on_main = on_main
        self._on_thread = on_thread
        self._tick = tick
        self._before: dict[int, Any] = {}
        self._wakeup = -1
        self._pair: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None

    def begin(self, numbers: Iterable[int]) -> None:
        """Hear these signals from now on."""
        reader, writer = self._pair = socket.socketpair()
        writer.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self.listen_to(numbers)
        self._thread = threading.Thread(
            target=self._listen, args=(reader,), name="engine-signals", daemon=True
        )
        self._thread.start()

    @property
    def heard(self) -> tuple[int, ...]:
        """The signals that are heard."""
        return tuple(self._before)

    def listen_to(self, numbers: Iterable[int]) -> None:
        """Hear these, of those that can be heard, and no other."""
        wanted = set(numbers)
        for number in set(self._before) - wanted:
            before = self._before.pop(number)
            if signal.getsignal(number) == self._hear:  # not one that the run itself has set since
                signal.signal(number, before)
        for number in wanted - set(self._before):
            known = signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
            if known and (number == signal.SIGINT or not _caught(number)):
                self._before[number] = signal.signal(number, self._hear)

    def end(self) -> None:
        """Hear no more; what was there before is there again, and the thread has ended."""
        self.listen_to(())
        signal.set_wakeup_fd(self._wakeup)
        pair, thread, self._pair, self._thread = self._pair, self._thread, None, None
        if pair is None:
            return
        pair[1].close()
        if thread is not None:
            thread.join()
        pair[0].close()

    def forget(self) -> None:
        """In a child by fork: what the parent is told to do is none of its business.

        What is sent to all processes of a job or of a terminal is for the one that knows what to save;
        that ends its children. SIGTERM, by which it does so, ends them as ever.
        """
        if self._pair is None:
            return
        signal.set_wakeup_fd(-1)
        for number in self._before:
            left = signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN
            signal.signal(number, left)
        self._before, self._thread = {}, None
        for end in self._pair:
            end.close()
        self._pair = None

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._on_main(number)

    def _listen(self, reader: socket.socket) -> None:
        wait = self._tick()
        while True:
            ready, _, _ = select.select([reader], [], [], wait)
            if ready:
                said = reader.recv(64)
                if not said:
                    return
                if self._wakeup != -1:
                    with suppress(OSError):
                        os.write(self._wakeup, said)
                # what other handlers than these are called for is written there, too
                for number in said:
                    if number in self._before:
                        self._on_thread(number)
            wait = self._tick()


def _caught(number: int) -> bool:
    """Tell whether the process catches a signal, by Python or by a library such as `faulthandler`."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # a system that does not tell
        return False
    mask = next(
        (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0"
    )
    return bool(int(mask, 16) >> (number - 1) & 1)


def on_fork(call: Callable[[], None]) -> None:
    """Call something in each child by fork, where the system has that."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)
