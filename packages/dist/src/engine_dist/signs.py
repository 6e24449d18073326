"""The signs of life of the ranks of a job, in the store by which they found each other."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from engine_dist import flight
from engine_dist.batch_shapes import BatchShapes, Course, first_difference
from engine_dist.fault_file import FaultFile

__all__ = ["Signs", "Verdict", "progress"]

logger = logging.getLogger("engine.dist")

T = TypeVar("T")

_STACK = 12  # frames of a rank's main thread that it tells with each sign of life
_ORDER = "one of them has left out a call, made one more, or makes them in another order"
_FIRST = "rank 0"
_SILENT = 10  # signs of life that a neighbour owes before all ranks say where they stand


class Verdict(NamedTuple):
    """Who is lost, and how."""

    ranks: tuple[int, ...]
    text: str


class Life(NamedTuple):
    """A sign of life: its number, and what the rank was doing.

    Attributes
    ----------
    number : int
        From 1; -1 of a rank that has left.
    calls : int
        Calls of this package's collectives.
    name : str
        The last of them.
    inside : bool
        Whether it has not ended.
    position : int, optional
        Collectives of the group of all ranks that torch has begun, whoever asked for them.
    stack : list of str
        Where the main thread was, the innermost last.
    """

    number: int
    calls: int
    name: str
    inside: bool
    position: int | None
    stack: list[str]

    def __str__(self) -> str:
        done = "within it" if self.inside else "done"
        known = "" if self.position is None else f", collective {self.position} of torch's"
        return f"call {self.calls} ({self.name}, {done}){known}"


@dataclass
class _Progress:
    """How far this process has come, in calls of this package's collectives."""

    calls: int = 0
    name: str = "no call yet"
    inside: bool = False
    _call: flight.Call | None = None

    def begin(self, name: str, args: tuple[Any, ...]) -> None:
        self.calls += 1
        self.name = name
        self.inside = True
        self._call = flight.record(self.calls, name, args)

    def end(self) -> None:
        self.inside = False
        if self._call is not None:
            self._call.ended = time.time()

    def forget(self) -> None:
        self.calls, self.name, self.inside, self._call = 0, "no call yet", False, None
        flight.forget()


progress = _Progress()


@dataclass
class Signs:
    """The signs of life of one process, and the store that they go to."""

    store: Any
    rank: int
    world_size: int
    interval: float
    owner: int = field(default_factory=threading.get_ident)
    file: FaultFile | None = None
    verdict: Verdict | None = None
    batches: BatchShapes = field(default_factory=BatchShapes)
    told: BaseException | None = None  # what this rank told of last as its own
    _batches_told: bool = False
    _beats: int = 0
    _neighbour: tuple[int, str] = (0, "")
    _said: bool = False
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    # ------------------------------------------------------------------- signs

    def start(self) -> None:
        """Give a sign of life, and go on with it from a thread."""
        self._beat()
        self._thread = threading.Thread(target=self._run, name="engine-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give no more, and say that this rank has left."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(1.0)  # of a store that hangs there is nothing to wait for

    def _run(self) -> None:
        while not self._end.wait(self.interval):
            with suppress(Exception):  # without a store nobody can be told anything
                self._beat()
                self._look()
        with suppress(Exception):
            self._show(-1)

    def _beat(self) -> None:
        self._beats += 1
        self._show(self._beats)

    def _show(self, number: int) -> None:
        place = flight.default_position()
        life = Life(
            number, progress.calls, progress.name, progress.inside, place, _stack_of(self.owner)
        )
        self.store.set(f"life/{self.rank}", json.dumps(life))

    def _look(self) -> None:
        """Take note of a fault that another rank knows of, and say where this one stands."""
        # the store may be gone when this rank needs it: the one that holds it may end first
        if self.verdict is None and self.store.check(["verdict"]):
            self.verdict = _verdict(self.store.get("verdict"))
        if not self._said and self.store.check(["alarm"]):
            self._said = True
            self.tell(self.store.get("alarm").decode())
            self.store.set(f"said/{self.rank}", "")
        if not self._said:
            self._look_at_neighbour()
        if not self._batches_told and self.batches.last:
            self._compare_batches()

    def _compare_batches(self) -> None:
        """Compare the shapes of batches with the first rank's, which tells of what is found."""
        mine = self.batches.course()
        if self.rank == 0:
            self.store.set("batches", json.dumps(mine))
            if self.store.check(["batches differ"]):
                self._batches_told = True
                logger.warning("%s", self.store.get("batches differ").decode())
        elif self.store.check(["batches"]):
            last, changes = json.loads(self.store.get("batches"))
            found = first_difference(mine, Course(last, changes))
            if found is not None:
                self._batches_told = True
                iteration, name, here, there = found
                self.store.compare_set("batches differ", "", (
                    f"the batches of iteration {iteration} differ: {name} is {there} on rank 0 and "
                    f"{here} on rank {self.rank}; a collective over it (a batch norm over processes, "
                    "a gathered loss) would fail or hang, and where gradients are averaged, ranks "
                    "count alike whatever their batch. Told once"
                ))  # fmt: skip

    def _look_at_neighbour(self) -> None:
        rank = (self.rank + 1) % self.world_size
        seen = self.store.get(f"life/{rank}").decode() if self._shown(rank) else ""
        if seen != self._neighbour[1] or not seen or json.loads(seen)[0] < 0:
            self._neighbour = self._beats, seen
        elif self._beats - self._neighbour[0] >= _SILENT:
            seconds = _SILENT * self.interval
            self._alarm(f"rank {rank} has given no sign of life for {seconds:.0f} s")

    def _shown(self, rank: int) -> bool:
        shown: bool = self.store.check([f"life/{rank}"])
        return shown

    # ------------------------------------------------------------------- faults

    def missing(self, here: str) -> Verdict:
        """Look at the signs of life twice, and say who is silent or behind."""
        if self.verdict is not None:
            return self.verdict
        before = self._lives()
        time.sleep(3 * self.interval)
        if self.verdict is not None:
            return self.verdict
        verdict, stacks = self._compared(before, self._lives())
        if not verdict.ranks:
            self._alarm(f"{here}: {verdict.text}")
            return verdict
        return self.decide(verdict, stacks)

    def decide(self, verdict: Verdict, stacks: str = "") -> Verdict:
        """Tell a verdict to all ranks, and wait for what they say; return the one that holds."""
        self.store.compare_set("verdict", "", json.dumps(verdict))
        self.verdict = holds = _verdict(self.store.get("verdict"))
        self._alarm(holds.text + (stacks if holds == verdict else ""))
        self._wait_for(rank for rank in range(self.world_size) if rank not in holds.ranks)
        return holds

    def tell(self, why: str, error: BaseException | None = None) -> bool:
        """Add to the file what this rank knows; tell whether it could be."""
        if self.file is None:
            return False
        _, changes = course = self.batches.course()
        seen = [f"batch of iteration {course.last}: {changes[-1][1]}"] if changes else []
        return self.file.tell(why, [*seen, *flight.last_collectives()], error)

    @property
    def place(self) -> str:
        """The name of the file."""
        return "" if self.file is None else str(self.file.path)

    def within(self, seconds: float, action: Callable[[], T]) -> T | None:
        """Do something with the store, and no longer than so: it must not keep an error back.

        Returns
        -------
        T or None
            None where it took longer, or failed.
        """
        found: list[T] = []
        # no join of the thread: one that a signal interrupts would take it for ended (Python 3.11)
        done = threading.Event()

        def ask() -> None:
            with suppress(Exception):
                found.append(action())
            done.set()

        threading.Thread(target=ask, name="engine-watch-asks", daemon=True).start()
        end, interrupted = time.monotonic() + seconds, False
        while not done.is_set() and time.monotonic() < end:
            try:
                done.wait(max(0.0, end - time.monotonic()))
            except BaseException:  # the launcher's first signal to end: what is lost is to be told
                if interrupted:
                    raise
                interrupted = True
        return found[0] if found else None

    def _alarm(self, text: str) -> None:
        """Let every rank say where it stands."""
        self.store.compare_set("alarm", "", text)

    def _wait_for(self, ranks: Any) -> None:
        keys = [f"said/{rank}" for rank in ranks if self._shown(rank)]
        end = time.monotonic() + 5 * self.interval
        while time.monotonic() < end and not self.store.check(keys):
            time.sleep(self.interval / 10)

    def _lives(self) -> dict[int, Life | None]:
        return {
            rank: Life(*json.loads(self.store.get(f"life/{rank}"))) if self._shown(rank) else None
            for rank in range(self.world_size)
        }

    def _compared(
        self, before: dict[int, Life | None], after: dict[int, Life | None]
    ) -> tuple[Verdict, str]:
        silent = [r for r in after if after[r] == before[r] and r != self.rank]
        told = [f"rank {r} {_how(after[r])}, last seen at {_place(after[r])}" for r in silent]
        behind = [] if silent else self._behind(after)
        told += [f"rank {r} lives and has come no further than {_place(after[r])}" for r in behind]
        unlike = [] if silent or behind else _unlike(after)
        told += [
            f"rank {r} is at {_place(after[r])}, and {_FIRST} at {_place(after[0])}"
            for r in unlike
        ]
        ranks = (*silent, *behind, *unlike)
        stacks = "".join(
            "".join(f"\n  {line}" for line in (f"rank {rank} was last seen at", *life.stack))
            for rank, life in after.items() if rank in ranks and life is not None
        )  # fmt: skip
        told += [_ORDER] if unlike else []
        return Verdict(ranks, "; ".join(told) or "every rank gives signs of life"), stacks

    def _behind(self, lives: dict[int, Life | None]) -> list[int]:
        calls, position = progress.calls, flight.default_position()
        return [
            rank for rank, life in lives.items() if rank != self.rank and life is not None
            and (life.calls < calls or _less(life.position, position))
        ]  # fmt: skip


def _less(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one < other


def _unlike(lives: dict[int, Life | None]) -> list[int]:
    """Return the ranks that are in another call than the first one, which has as many behind it."""
    first = lives[0]
    return [
        rank for rank, life in lives.items()
        if first is not None and life is not None and life.inside and first.inside
        and life.calls == first.calls and life.name != first.name
    ]  # fmt: skip


def _how(life: Life | None) -> str:
    return "has left" if life is not None and life.number < 0 else "is dead or stopped"


def _place(life: Life | None) -> str:
    return "no sign of life" if life is None else str(life)


def _verdict(text: bytes) -> Verdict:
    ranks, said = json.loads(text)
    return Verdict(tuple(ranks), said)


def _stack_of(thread: int) -> list[str]:
    """Return where a thread is, by file and line: formatting more would cost its time."""
    lines: list[str] = []
    frame = sys._current_frames().get(thread)
    while frame is not None and len(lines) < _STACK:
        code = frame.f_code
        lines.append(f"{code.co_filename}:{frame.f_lineno} in {code.co_name}")
        frame = frame.f_back
    return lines[::-1]
