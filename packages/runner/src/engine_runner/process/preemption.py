"""A process that is told to go: by the scheduler, by who shares the machine, or by Ctrl-C.

A first signal sets a flag. All ranks stop at the next point at which nothing is half done: after an iteration
of training, after one of a validation or a test, or before the first. What they have come to is saved, and
`Preempted` ends the process. A second signal ends it at once; so does the deadline.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch.distributed as torch_dist

from engine_dataset.worker_signals import outlive
from engine_dist import get_world_size, is_distributed, is_main_process
from engine_dist.agreement import Agreement, side_store
from engine_runner.process.preempted import (
    FROM_THE_SHELL,
    SIGNALS,
    Preempted,
    PreemptionSettings,
    name_of,
)
from engine_runner.process.requeue import requeue
from engine_runner.process.signals import Ears, number_of, on_fork

__all__ = ["BEHIND", "ITERATION", "PREEMPTION", "WITHIN", "Preemption"]

logger = logging.getLogger("engine.runner")

ITERATION, WITHIN, BEHIND = 0, 1, 2  # stages of an iteration, at which a run may stop
# seconds in which a signal that comes again is the same notice: a scheduler sends it to a process and to
# its group, and a launcher hands it on; who presses Ctrl-C twice means it
_SAME_NOTICE = {"SIGTERM": 5.0, "SIGUSR1": 5.0}


class Preemption:
    """What a process knows of its being told to go.

    Attributes
    ----------
    wanted : bool
        Whether this process or another of the job was told to: all that an iteration looks at.
    settings : PreemptionSettings
        What holds now.
    issued : Preempted, optional
        What ends the run, once it has stopped.
    clean : bool
        Whether an evaluation runs with nothing half done around it, so that a run may stop in it.
    """

    def __init__(self) -> None:
        self.wanted = self.clean = False
        self.settings = PreemptionSettings()
        self._ears = Ears(self._on_main, self._on_thread, self._tick)
        self._open = 0  # scopes within one another
        self._by_command = False
        self._job: Any = None  # whose ranks count alike what follows
        self._runs = 0  # that were begun: the first number of a point
        self._stops = 0  # agreements that were come to
        self._reset()

    def _reset(self) -> None:
        self.wanted = False
        self._number = 0  # of the signal
        self._own = False  # whether it came to this process
        self._heard: tuple[int, float] = (0, -math.inf)
        self._since = math.inf
        self.clean = False
        self._starting = True  # there is nothing to save: the handler itself ends the run
        self.issued: Preempted | None = None
        self._requeues = False
        self._going = False  # on the way out: what comes now changes nothing
        self._at: tuple[float, ...] = (self._runs, math.inf)
        self._iterations: Callable[[], int] | None = None
        self._agreement: Agreement | None = None
        self._said = False
        self._farthest: tuple[float, ...] | None = None
        self._decided = threading.Event()

    # ------------------------------------------------------------------ scopes

    @contextmanager
    def heeded(
        self, given: Mapping[str, Any] | None = None, *, by_command: bool = False
    ) -> Iterator[None]:
        """Heed signals within, where the main thread enters; within one another, the outer one stays.

        Parameters
        ----------
        given : Mapping, optional
            What a configuration says of it.
        by_command : bool
            Whether the process runs nothing else, so that Ctrl-C is meant for the run.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # no other may set handlers
            return
        self._by_command = self._by_command or by_command
        settings = self._settings(given)
        if not self._open:
            self._count_anew()
            self._reset()
            self._come_back()
            self._ears.begin(())
        before, self.settings = self.settings, settings
        self._open += 1
        self._listen()
        try:
            yield
        except BaseException:  # whatever became of it on its way: a config that exits is an error
            ended = self.issued
            if self._open == 1 and ended and self._requeues and ended.name == "SIGUSR1":
                _requeue_by_one()
            raise
        finally:
            self._open -= 1
            self.settings = before
            if self._open:
                self._listen()
            else:
                self._close()

    def configure(self, given: Mapping[str, Any] | None) -> None:
        """Let what a configuration says hold from now on, where signals are heeded."""
        if self._open:
            self.settings = self._settings(given)
            self._listen()

    def _settings(self, given: Mapping[str, Any] | None) -> PreemptionSettings:
        return PreemptionSettings.of(given, **({"signals": SIGNALS} if self._by_command else {}))

    def _listen(self) -> None:
        numbers = map(number_of, self.settings.signals)
        self._ears.listen_to(number for number in numbers if number is not None)
        outlive(self._ears.heard)  # workers of a loader, which are sent them as well

    def _close(self) -> None:
        left = self._number if self.wanted and self._own and not self._going else None
        self._by_command, self._iterations = False, None
        self._ears.end()
        outlive(())
        agreement = self._sided()
        if agreement is not None and not self._said:
            with suppress(Exception):  # a store that is gone has nobody to tell
                agreement.say((self._runs, math.inf))
        self.wanted = False
        if left is not None:  # it came as all was over: it is for who is there now
            signal.raise_signal(left)

    def _come_back(self) -> None:
        """Take back that this rank was gone: it passes points again."""
        agreement = self._sided()
        if agreement is not None and self._runs:
            with suppress(Exception):  # as above
                agreement.take_back()
                self._look()

    # ------------------------------------------------------------------ points

    def begin_run(self) -> None:
        """Begin a run, of training or of another pass: what comes is behind all that was."""
        self._count_anew()
        self._runs += 1
        self._at, self._iterations = (self._runs, -math.inf), None
        self._starting, self.clean = True, False

    def _count_anew(self) -> None:
        """Count from the beginning in another job: in the one before, a rank may have broken off."""
        job = torch_dist.group.WORLD if is_distributed() else None
        if job is not self._job:
            self._job, self._runs, self._stops = job, 0, 0

    def starts(self, iterations: Callable[[], int] | None) -> bool:
        """Pass the point before the first iteration; tell whether all ranks stop at it.

        Parameters
        ----------
        iterations : callable, optional
            Returns those done, by which points are known from now on; None where what runs passes no
            points: a signal ends it as Python does.
        """
        if self._passes((self._runs, -1.0)):
            return True
        self._iterations, self._starting = iterations, False
        return False

    def ends(self) -> bool:
        """Pass the point behind the last, where all is saved; tell whether all ranks stop at it."""
        self._iterations, self._starting = None, True
        return self._passes((self._runs, math.inf))

    def stops_at(self, stage: int, index: float = 0) -> bool:
        """Pass a point of the iteration of now, and tell whether all ranks stop at it.

        Parameters
        ----------
        stage : {ITERATION, WITHIN, BEHIND}
            What of an iteration: its end, within a validation after it, or behind that.
        index : float
            Of a validation, which iteration is done.
        """
        iterations = self._iterations
        if iterations is None or (stage == WITHIN and not self.clean):
            return False
        return self._passes((self._runs, iterations(), stage, index))

    def _passes(self, point: tuple[float, ...]) -> bool:
        self._at = point
        return self.wanted and self._is_behind_all(point)

    def _is_behind_all(self, point: tuple[float, ...]) -> bool:
        if get_world_size() == 1:
            return True
        self._decided.wait()  # for the other ranks' threads, which need nothing of this one
        return self._farthest is None or point > self._farthest

    def _passed(self) -> tuple[float, ...]:
        iterations = self._iterations
        here = () if iterations is None else (self._runs, iterations(), 0, 0)
        return max(self._at, here)

    def go(self, saved: bool, in_order: bool = True) -> Preempted:
        """Return what ends the run, which has stopped; no signal changes that any more."""
        self._going = True
        self._since = math.inf
        self._stops += 1
        self._requeues = self.settings.requeue
        self.issued = Preempted(self._number, saved, in_order)
        return Preempted(
            self._number, saved, in_order
        )  # what is raised holds on to all that it comes through

    def forget(self) -> None:
        """Know of nothing, in a child by fork."""
        self._ears.forget()
        self._open = 0
        self._reset()

    # ----------------------------------------------------------------- signals

    @property
    def number(self) -> int:
        """The signal that is heeded."""
        return self._number

    def _on_main(self, number: int) -> None:
        if self._going:
            return
        self._number = self._number or number
        self._own = self.wanted = True
        alone = get_world_size() == 1
        if self._starting and alone:
            raise self.go(saved=False)
        uncounted = self._iterations is None and not self._starting
        if uncounted or not (alone or side_store()):
            raise self.go(saved=False, in_order=False)

    def _on_thread(self, number: int) -> None:
        now = time.monotonic()
        before, when = self._heard
        same = _SAME_NOTICE.get(name_of(number), 0.0)
        if self._going or (number == before and now - when < same):
            return
        self._heard = (number, now)
        if before:
            self._end(number, f"{name_of(number)} came after {name_of(before)}")
        self._number = self._number or number
        self._own = self.wanted = True
        self._since = min(self._since, now)
        logger.warning(
            "%s: the run stops behind its next iteration and is saved; a second signal ends it at once",
            name_of(number),
        )  # fmt: skip

    def _tick(self) -> float:
        """Look at the store and at the clock; return the seconds until the next look."""
        left = self._since + self.settings.deadline - time.monotonic()
        if left <= 0:
            limit = f"{self.settings.deadline:g} s after {name_of(self._number)}"
            self._end(self._number, f"the run was not saved within the deadline, {limit}")
        with suppress(Exception):  # of a store that is gone; the deadline stands
            return min(left, self._look())
        return min(left, 1.0)

    def _look(self) -> float:
        agreement, side = self._sided(), side_store()
        if agreement is None or side is None or self._decided.is_set():
            return 1.0
        if self._own and not self._said:
            agreement.ask(self._number)
        if not self._said and (asked := agreement.asked()) is not None:
            self._number = self._number or asked
            self._since = min(self._since, time.monotonic())
            # first the flag, then the look: a point that is passed now waits for what is said here
            self.wanted = True
            agreement.say(self._passed())
            self._said = True
        if not self._said:
            return side.interval
        self._farthest = agreement.farthest()
        if self._farthest is None:
            return side.interval / 20
        self._decided.set()
        return 1.0

    def _sided(self) -> Agreement | None:
        side = side_store()
        if self._agreement is None and side is not None:
            self._agreement = Agreement(side, self._stops)
        return self._agreement

    def _end(self, number: int, why: str) -> None:
        """End the process here and now: files are whole or not there, by how they are written."""
        with suppress(Exception):
            print(
                f"engine: {why}: ended at once; the newest whole checkpoint stays",
                file=sys.stderr, flush=True,
            )  # fmt: skip
        os._exit(FROM_THE_SHELL + number)


def _requeue_by_one() -> None:
    """Ask for another start of the job, by one process of it."""
    known = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))
    if is_main_process() if is_distributed() else known == "0":
        requeue()


# signals are the process's
PREEMPTION = Preemption()
on_fork(PREEMPTION.forget)
