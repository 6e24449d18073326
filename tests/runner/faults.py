"""Faults that a run on several processes meets, as hooks that a configuration names."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

from engine_dist import get_rank
from engine_dist.environment import restarts
from engine_registry import HOOKS
from engine_runner.hooks import Hook


@HOOKS.register_module()
class KillHook(Hook):
    """Kill one of two ranks at a random moment of each of the first starts of a job."""

    def __init__(self, kills: int, iters: int, seed: int = 0) -> None:
        draw = random.Random(1000 * seed + restarts())
        self.rank = draw.randrange(2)
        self.at = draw.randrange(1, iters)
        self.delay = draw.choice([0.0, draw.random() / 10])
        self.seen = 0
        self.due = restarts() < kills

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Wait for the moment."""
        self.seen += 1
        if self.due and self.seen == self.at and get_rank() == self.rank:
            threading.Timer(self.delay, os.kill, (os.getpid(), signal.SIGKILL)).start()


@HOOKS.register_module()
class TermHook(Hook):
    """Tell one rank to stop before an iteration, in the first start of a job."""

    def __init__(self, rank: int, at: int) -> None:
        self.rank, self.at = rank, at

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Send the signal."""
        if restarts() == 0 and runner.iter == self.at and get_rank() == self.rank:
            os.kill(os.getpid(), signal.SIGTERM)


@HOOKS.register_module()
class FaultHook(Hook):
    """Let a rank fail in its way before an iteration, counted from 0.

    One that hangs does so until there is a file of the name ``until``.
    """

    def __init__(self, rank: int, at: int, how: str, until: str = "") -> None:
        self.rank, self.at, self.how, self.until = rank, at, how, until

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Fail."""
        if runner.iter != self.at or get_rank() != self.rank:
            return
        if self.how == "raise":
            raise ArithmeticError("the third sample is spoilt")
        wait_in_vain(Path(self.until))


def wait_in_vain(until: Path) -> None:
    """Hang, alive."""
    while not until.exists():
        time.sleep(0.01)
