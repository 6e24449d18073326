"""How long an iteration takes."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.protocol import RunnerLike

__all__ = ["IterTimerHook"]

# written out: nothing in an iteration formats a string
TIME = {mode: f"{mode}/time" for mode in ("train", "val", "test")}
DATA_TIME = {mode: f"{mode}/data_time" for mode in ("train", "val", "test")}


@HOOKS.register_module()
class IterTimerHook(Hook):
    """Record, in seconds, what an iteration takes and how long of it was spent on the data.

    Scalars ``<mode>/data_time`` and ``<mode>/time`` of the message hub; while training, also the
    seconds that are left, at the mean pace so far, as its info ``eta``.
    """

    priority = "NORMAL"

    def __init__(self) -> None:
        self._last = 0.0
        self._spent = 0.0
        self._start_iter = 0

    def before_train(self, runner: RunnerLike) -> None:
        """Remember where the run starts: a resumed one did not spend the time before."""
        self._spent = 0.0
        self._start_iter = runner.iter

    def _before_epoch(self, runner: RunnerLike, mode: str = "train") -> None:
        self._last = perf_counter()

    def _before_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, mode: str = "train"
    ) -> None:
        runner.message_hub.update_scalar(DATA_TIME[mode], perf_counter() - self._last)

    def _after_iter(
        self,
        runner: RunnerLike,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        now = perf_counter()
        spent = now - self._last
        runner.message_hub.update_scalar(TIME[mode], spent)
        self._last = now
        if mode == "train":
            self._spent += spent
            done = runner.iter + 1
            pace = self._spent / (done - self._start_iter)
            runner.message_hub.update_info("eta", pace * (runner.max_iters - done), resumed=False)
