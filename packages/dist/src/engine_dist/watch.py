"""Which process is missing, once a collective has failed.

A rank that dies or hangs leaves the others with an error of the network, or with a time-out, that says
neither which rank nor where. So every process tells, a few times a minute and from a thread of its own,
that it lives and which call of this package it has come to, in the store by which the processes found each
other. Nothing is sent in a call. Once one fails, what the store says is compared: who has fallen silent is
dead or stopped, who lives and has not come to the call keeps the others waiting.
"""

from __future__ import annotations

import atexit
import functools
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import torch.distributed as torch_dist
from torch._C._distributed_c10d import TCPStore
from torch.distributed.distributed_c10d import PrefixStore

__all__ = ["LostRankError", "naming_lost_ranks", "noted", "start", "stop"]

logger = logging.getLogger("engine.dist")

P = ParamSpec("P")
R = TypeVar("R")

_BEAT = 1.0  # seconds between two signs of life, of up to a hundred ranks
_PATIENCE = timedelta(seconds=10)


class LostRankError(RuntimeError):
    """Ranks are dead, hang, or have not come to a collective that the others are in.

    Attributes
    ----------
    ranks : tuple of int
        Those that are missing.
    """

    def __init__(self, message: str, ranks: tuple[int, ...]) -> None:
        super().__init__(message, ranks)
        self.ranks = ranks

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass
class _Progress:
    """How far this process has come, in calls of this package's collectives."""

    calls: int = 0
    name: str = "no call yet"
    inside: bool = False


@dataclass
class _Watch:
    """The signs of life of one process, and the store that they go to."""

    store: Any
    rank: int
    world_size: int
    interval: float
    owner: int = field(default_factory=threading.get_ident)
    end: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    beats: int = 0
    verdict: tuple[tuple[int, ...], str] | None = None

    def beat(self) -> None:
        self.beats += 1
        state = [self.beats, _progress.calls, _progress.name, _progress.inside]
        self.store.set(f"life/{self.rank}", json.dumps(state))
        # the store may be gone when this rank needs it: the one that holds it may end first
        if self.verdict is None and self.store.check(["verdict"]):
            ranks, text = json.loads(self.store.get("verdict"))
            self.verdict = tuple(ranks), text

    def run(self) -> None:
        while not self.end.wait(self.interval):
            with suppress(Exception):  # without a store nobody can be told anything
                self.beat()

    def close(self) -> None:
        self.end.set()
        if self.thread is not None:
            self.thread.join(1.0)  # of a store that hangs there is nothing to wait for

    def lives(self) -> dict[int, list[Any] | None]:
        keys = [f"life/{rank}" for rank in range(self.world_size)]
        return {
            rank: json.loads(self.store.get(key)) if self.store.check([key]) else None
            for rank, key in enumerate(keys)
        }


_progress = _Progress()
_watch: _Watch | None = None


def start() -> None:
    """Begin to tell that this process lives, where a group was found by the launcher's store."""
    global _watch
    stop()
    host, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
    size = torch_dist.get_world_size()
    if host is None or port is None or size < 2:
        return
    name = f"engine_watch_{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    try:
        store = PrefixStore(name, TCPStore(host, int(port), None, False, _PATIENCE))
        watch = _Watch(store, torch_dist.get_rank(), size, max(_BEAT, size * _BEAT / 100))
        watch.beat()
    except Exception as error:  # the group stands without it
        logger.debug("lost ranks will not be named: %s", error)
        return
    _progress.calls, _progress.name, _progress.inside = 0, "no call yet", False
    watch.thread = threading.Thread(target=watch.run, name="engine-watch", daemon=True)
    watch.thread.start()
    _watch = watch


def stop() -> None:
    """Stop telling it."""
    global _watch
    watch, _watch = _watch, None
    if watch is not None:
        watch.close()


atexit.register(stop)


def noted(function: Callable[P, R]) -> Callable[P, R]:
    """Count the calls of a collective, and say who is missing where one fails."""
    name = function.__name__

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        watch = _watch
        # of other threads, such as one that saves, the calls come in no order
        if watch is None or _progress.inside or watch.owner != threading.get_ident():
            return function(*args, **kwargs)
        _progress.calls += 1
        _progress.name = name
        _progress.inside = True
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:
            _raise_if_lost(error, name)
            raise
        finally:
            _progress.inside = False

    return call


@contextmanager
def naming_lost_ranks(what: str) -> Iterator[None]:
    """Within, an error of a collective of torch's own, as in a backward pass, names who is missing.

    Raises
    ------
    LostRankError
    """
    try:
        yield
    except LostRankError:
        raise
    except RuntimeError as error:
        _raise_if_lost(error, what)
        raise


def _raise_if_lost(error: RuntimeError, what: str) -> None:
    watch = _watch
    if watch is None or not _is_of_the_network(error):
        return
    ranks, told = _within(10 * watch.interval + _PATIENCE.total_seconds(), watch, what)
    if ranks:
        here = f"{what} (call {_progress.calls} of this rank's collectives)"
        reason = " ".join(str(error).split())[:200]
        raise LostRankError(
            f"{here} failed on rank {watch.rank}: {told} ({reason})", ranks
        ) from error
    logger.error("who is lost is not known: %s", told)


def _within(seconds: float, watch: _Watch, what: str) -> tuple[tuple[int, ...], str]:
    """Ask who is missing, and no longer than so: a store that hangs must not keep an error back."""
    found: list[tuple[tuple[int, ...], str]] = []

    def ask() -> None:
        try:
            found.append(_missing(watch, what))
        except Exception as error:
            found.append(_storeless(watch, f"is gone ({type(error).__name__})"))

    asking = threading.Thread(target=ask, name="engine-watch-asks", daemon=True)
    asking.start()
    asking.join(seconds)
    return found[0] if found else _storeless(watch, "does not answer")


def _storeless(watch: _Watch, how: str) -> tuple[tuple[int, ...], str]:
    """Say what is known without the store: what was read of it before, or that its holder is lost."""
    if watch.verdict is not None:
        return watch.verdict
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" or watch.rank == 0:
        return (), f"the store, by which the ranks tell that they live, {how}"
    return (0,), f"rank 0, which holds the store of the job, {how}"


def _is_of_the_network(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, torch_dist.DistError) or any(
        sign in text for sign in ("connection", "gloo", "nccl", "timed out", "timeout", "socket")
    )


def _missing(watch: _Watch, what: str) -> tuple[tuple[int, ...], str]:
    """Look at the signs of life twice, and say who is silent or behind."""
    if watch.verdict is not None:
        return watch.verdict
    before = watch.lives()
    time.sleep(3 * watch.interval)
    if watch.verdict is not None:
        return watch.verdict
    after = watch.lives()
    silent = [r for r in after if after[r] == before[r] and r != watch.rank]
    mine = _progress.calls
    behind = [
        rank for rank, life in after.items()
        if life is not None and life[1] < mine and rank not in {*silent, watch.rank}
    ]  # fmt: skip
    told = [f"rank {r} is dead or stopped, last seen at {_place(after[r])}" for r in silent]
    told += [f"rank {r} lives and has come no further than {_place(after[r])}" for r in behind]
    ranks = (*silent, *behind)
    if ranks:
        watch.store.set("verdict", json.dumps([ranks, "; ".join(told)]))
        time.sleep(3 * watch.interval)  # for the others to read it, before this rank ends
    return ranks, "; ".join(told) or "every rank gives signs of life"


def _place(life: list[Any] | None) -> str:
    if life is None:
        return "no sign of life"
    _, calls, name, inside = life
    return f"call {calls} ({name}, {'within it' if inside else 'done'})"
