"""How long an iteration takes."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerT

__all__ = ["IterTimerHook"]

# written out: nothing in an iteration formats a string
TIME = {mode: (f"{mode}/time",) for mode in ("train", "val", "test")}
DATA_TIME = {mode: (f"{mode}/data_time",) for mode in ("train", "val", "test")}


@HOOKS.register_module()
class IterTimerHook(Hook[RunnerT]):
    """Record, in seconds, what an iteration takes and how long of it was spent on the data.

    Scalars ``<mode>/data_time`` and ``<mode>/time`` of the message hub; also, as its info ``eta``,
    the seconds that are left of the training, or of the pass of a validation or a test, at its
    mean pace so far.
    """

    priority = "NORMAL"

    def __init__(self) -> None:
        self._last = 0.0
        self._paces = {mode: _Pace() for mode in TIME}

    def before_train(self, runner: RunnerT) -> None:
        """Remember where the run starts: a resumed one did not spend the time before."""
        self._paces["train"] = _Pace()

    def _before_epoch(self, runner: RunnerT, mode: str = "train") -> None:
        self._last = perf_counter()
        pace = self._paces[mode]
        if mode == "train":
            pace.left = runner.max_iters - runner.iter
        else:
            loop = getattr(runner, f"{mode}_loop")
            self._paces[mode] = _Pace(_length(loop.dataloader))

    def _before_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, mode: str = "train"
    ) -> None:
        runner.message_hub.update_row(DATA_TIME[mode], (perf_counter() - self._last,))

    def _after_iter(
        self,
        runner: RunnerT,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        now = perf_counter()
        spent = now - self._last
        self._last = now
        hub = runner.message_hub
        hub.update_row(TIME[mode], (spent,))
        pace = self._paces[mode]
        pace.spent += spent
        pace.done += 1
        if pace.left is not None:
            pace.left -= 1
            hub.update_info("eta", pace.spent / pace.done * pace.left, resumed=False)


@dataclass
class _Pace:
    """How much of something is done and left; None where that is not known."""

    left: int | None = None
    done: int = 0
    spent: float = 0.0


def _length(dataloader: Any) -> int | None:
    try:
        return len(dataloader)
    except TypeError:
        return None
