"""Signals that a loader's workers outlive, since they are meant for who has something to save.

A scheduler sends a signal to all processes of a job. A worker that ended by it would leave the training without
the batches that it needs to come to its end in order.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["Outliving", "kill_in_place_of_asking", "outlive"]

_outlived: tuple[int, ...] = ()


def outlive(numbers: Iterable[int]) -> None:
    """Let workers that begin from now on ignore these signals, and no other."""
    global _outlived
    _outlived = tuple(numbers)


class Outliving:
    """What a worker calls as it begins: ignores what it is to outlive, then what it was told to call.

    Parameters
    ----------
    init_fn : callable, optional
        Takes the worker's number.
    """

    def __init__(self, init_fn: Callable[[int], Any] | None) -> None:
        self.init_fn = init_fn
        self._sent: tuple[int, ...] | None = None  # with it, to a process that inherits nothing

    def __getstate__(self) -> dict[str, Any]:
        return {"init_fn": self.init_fn, "_sent": _outlived}

    def __call__(self, worker: int) -> None:
        """Begin in a worker; torch has set its own handlers by then."""
        for number in _outlived if self._sent is None else self._sent:
            signal.signal(number, signal.SIG_IGN)
        if self.init_fn is not None:
            self.init_fn(worker)


def kill_in_place_of_asking(batches: Iterator[Any]) -> Iterator[Any]:
    """Let workers that ignore SIGTERM be ended by SIGKILL where torch would send that; return the batches."""
    workers = getattr(batches, "_workers", ()) if signal.SIGTERM in _outlived else ()
    for worker in workers:
        process: Any = getattr(worker, "_popen", None)
        if hasattr(process, "kill"):
            process.terminate = process.kill
    return batches
