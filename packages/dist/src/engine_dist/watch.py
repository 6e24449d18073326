"""Which process is missing, once a collective has failed.

A rank that dies or hangs leaves the others with an error of the network, or with a time-out, that says
neither which rank nor where. So every process tells, a few times a minute and from a thread of its own,
that it lives and which call of this package it has come to, in the store by which the processes found each
other. Nothing is sent in a call. Once one fails, what the store says is compared: who has fallen silent is
dead or stopped, who lives and has not come to the call keeps the others waiting. A rank that raises says so
itself. Whoever learns of a fault first writes it into the store; every other rank's thread reads it there
and adds to one file what its rank was doing, though its main thread hangs.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch.distributed as torch_dist
from torch._C._distributed_c10d import TCPStore
from torch.distributed.distributed_c10d import PrefixStore

from engine_dist.batch_shapes import BatchShapes
from engine_dist.fault_file import FaultFile
from engine_dist.signs import Signs, Verdict, progress

__all__ = [
    "LostRankError",
    "batch_shapes",
    "look_interval",
    "naming_lost_ranks",
    "noted",
    "report_to",
    "start",
    "stop",
    "store_of_the_watch",
]

logger = logging.getLogger("engine.dist")

P = ParamSpec("P")
R = TypeVar("R")

_BEAT = 1.0  # seconds between two signs of life, of up to a hundred ranks
_PATIENCE = timedelta(seconds=10)


class LostRankError(RuntimeError):
    """Ranks are dead, hang, have raised, or have not come to a collective that the others are in.

    Attributes
    ----------
    ranks : tuple of int
        Those that are missing.
    """

    known_to_all = True  # so that no rank need tell the others

    def __init__(self, message: str, ranks: tuple[int, ...]) -> None:
        super().__init__(message, ranks)
        self.ranks = ranks

    def __str__(self) -> str:
        return str(self.args[0])


_watch: Signs | None = None


def store_of_the_watch() -> Any:
    """Return the store by which ranks tell that they live, or None where they do not."""
    return None if _watch is None else _watch.store


def look_interval(size: int) -> float:
    """Return the seconds between two looks at a store of so many ranks, by which it bears them all."""
    return max(_BEAT, size * _BEAT / 100)


def start() -> None:
    """Begin to tell that this process lives, where a group was found by the launcher's store."""
    global _watch
    stop()
    host, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    size = torch_dist.get_world_size()
    if host is None or port is None or size < 2:
        return
    name = f"engine_watch_{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    progress.forget()
    try:
        store = PrefixStore(name, TCPStore(host, int(port), None, False, _PATIENCE))
        watch = Signs(store, torch_dist.get_rank(), size, look_interval(size))
        watch.start()
    except Exception as error:  # the group stands without it
        logger.debug("lost ranks will not be named: %s", error)
        return
    _watch = watch


def stop() -> None:
    """Stop telling it."""
    global _watch
    watch, _watch = _watch, None
    if watch is not None:
        watch.close()


atexit.register(stop)


def report_to(path: str | Path) -> None:
    """Let every rank add what it knows of a fault to one file, which is made when there is one.

    Parameters
    ----------
    path : str or Path
        The same on every rank, in a folder that they share.
    """
    if _watch is not None:
        _watch.file = FaultFile(path, _watch.rank)


def batch_shapes() -> BatchShapes | None:
    """Return what is to see the shapes of a training's batches; None where ranks cannot be compared."""
    return None if _watch is None else _watch.batches


def noted(function: Callable[P, R]) -> Callable[P, R]:
    """Count the calls of a collective, and say who is missing where one fails."""
    name = function.__name__

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        watch = _watch
        # of other threads, such as one that saves, the calls come in no order
        if watch is None or progress.inside or watch.owner != threading.get_ident():
            return function(*args, **kwargs)
        progress.begin(name, args)
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:
            _raise_if_lost(error, name)
            raise
        finally:
            progress.end()

    return call


@contextmanager
def naming_lost_ranks(what: str) -> Iterator[None]:
    """Within, an error of a collective of torch's own, as in a backward pass, names who is missing.

    Whatever else is raised is told to the other ranks, who name this one then.

    Raises
    ------
    LostRankError
    """
    try:
        yield
    except Exception as error:
        if _is_of_the_network(error):
            _raise_if_lost(error, what)
        elif not getattr(error, "known_to_all", False):
            _tell_others(error)
        raise
    except BaseException as error:
        # the launcher's signal to end comes while the error of the lost rank is on its way
        if error.__context__ is not None:
            _raise_if_lost(error.__context__, what)
        raise


def _raise_if_lost(error: BaseException, what: str) -> None:
    watch = _watch
    if watch is None or not _is_of_the_network(error):
        return
    here = f"{what} (call {progress.calls} of this rank's collectives) failed on rank {watch.rank}"
    seconds = 10 * watch.interval + _PATIENCE.total_seconds()
    ranks, told = watch.within(seconds, lambda: watch.missing(here)) or _storeless(watch)
    reason = " ".join(str(error).split())[:200]
    message = f"{here}: {told} ({reason})"
    if watch.tell(message, error):
        message += f"; what each rank knows of it is in {watch.place}"
    if ranks:
        raise LostRankError(message, ranks) from error
    logger.error("who is lost is not known: %s", message)


def _storeless(watch: Signs) -> Verdict:
    """Say what is known without the store: what was read of it before, or that its holder is lost."""
    if watch.verdict is not None:
        return watch.verdict
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" or watch.rank == 0:
        return Verdict((), "the store, by which the ranks tell that they live, is gone")
    return Verdict((0,), "rank 0, which holds the store of the job, is gone")


def _tell_others(error: Exception) -> None:
    """Say of an error that is this rank's own that it was raised, before the process ends."""
    watch = _watch
    if watch is None or watch.told is error:
        return
    watch.told = error
    said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    told = f"rank {watch.rank} raised {said}"
    if watch.tell(told, error):
        logger.error("%s; what each rank knows of it is in %s", told, watch.place)
    watch.within(_PATIENCE.total_seconds(), lambda: watch.decide(Verdict((watch.rank,), told)))


def _is_of_the_network(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, torch_dist.DistError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS_OF_THE_NETWORK)
    )


_SIGNS_OF_THE_NETWORK = ("connection", "gloo", "nccl", "timed out", "timeout", "socket")
