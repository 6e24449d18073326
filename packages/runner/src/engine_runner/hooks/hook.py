"""The points of a run that a hook can act at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic

from engine_runner.hooks.every import Cadence, acting, cadence_of, due
from engine_runner.hooks.priority import Priority
from engine_runner.protocols import RunnerT

__all__ = ["POINTS", "Hook", "overrides"]

DataBatch = Any

# Every point, with the method of the base class that it falls back to, if any.
POINTS: dict[str, str | None] = {
    "before_run": None,
    "after_load_checkpoint": None,
    "before_train": None,
    "before_train_epoch": "_before_epoch",
    "before_train_iter": "_before_iter",
    "after_train_iter": "_after_iter",
    "after_train_epoch": "_after_epoch",
    "before_val": None,
    "before_val_epoch": "_before_epoch",
    "before_val_iter": "_before_iter",
    "after_val_iter": "_after_iter",
    "after_val_epoch": "_after_epoch",
    "after_val": None,
    "before_save_checkpoint": None,
    "after_train": None,
    "before_test": None,
    "before_test_epoch": "_before_epoch",
    "before_test_iter": "_before_iter",
    "after_test_iter": "_after_iter",
    "after_test_epoch": "_after_epoch",
    "after_test": None,
    "after_run": None,
}


def _as(fallback: str) -> Callable[[Any, Any], Cadence | None]:
    """Return the cadence of a method that does nothing but call another."""
    return lambda hook, runner: cadence_of(getattr(hook, fallback), runner)


class Hook(Generic[RunnerT]):
    """Base of hooks; override the points to act at. Points left alone cost nothing.

    Iterations and epochs are counted from 0 while they run: ``runner.iter`` inside of
    ``after_train_iter`` is the number of iterations completed before this one.

    For a type checker, each method may annotate its runner as the class that it is written for,
    such as `Runner`; ``Hook[Runner]`` as the base says it once, and for the methods of the base.
    """

    priority: int | str | Priority = "NORMAL"
    stages: Sequence[str] = tuple(POINTS)

    def before_run(self, runner: RunnerT) -> None:
        """Act before anything runs."""

    def after_run(self, runner: RunnerT) -> None:
        """Act when all is done."""

    def before_train(self, runner: RunnerT) -> None:
        """Act before the first epoch."""

    def after_train(self, runner: RunnerT) -> None:
        """Act after the last epoch."""

    def before_val(self, runner: RunnerT) -> None:
        """Act before validation."""

    def after_val(self, runner: RunnerT) -> None:
        """Act after validation."""

    def before_test(self, runner: RunnerT) -> None:
        """Act before the test."""

    def after_test(self, runner: RunnerT) -> None:
        """Act after the test."""

    def before_save_checkpoint(self, runner: RunnerT, checkpoint: dict[str, Any]) -> None:
        """Change what is about to be saved."""

    def after_load_checkpoint(self, runner: RunnerT, checkpoint: dict[str, Any]) -> None:
        """See what was loaded, before it is used."""

    def before_train_epoch(self, runner: RunnerT) -> None:
        """Act before a training epoch."""
        self._before_epoch(runner, mode="train")

    def before_val_epoch(self, runner: RunnerT) -> None:
        """Act before the pass over the validation set."""
        self._before_epoch(runner, mode="val")

    def before_test_epoch(self, runner: RunnerT) -> None:
        """Act before the pass over the test set."""
        self._before_epoch(runner, mode="test")

    def after_train_epoch(self, runner: RunnerT) -> None:
        """Act after a training epoch."""
        self._after_epoch(runner, mode="train")

    def after_val_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """Act after the pass over the validation set, with what was measured."""
        self._after_epoch(runner, mode="val")

    def after_test_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """Act after the pass over the test set, with what was measured."""
        self._after_epoch(runner, mode="test")

    @acting(_as("_before_iter"))
    def before_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: DataBatch = None
    ) -> None:
        """Act before a training iteration."""
        self._before_iter(runner, batch_idx=batch_idx, data_batch=data_batch, mode="train")

    def before_val_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: DataBatch = None
    ) -> None:
        """Act before a validation batch."""
        self._before_iter(runner, batch_idx=batch_idx, data_batch=data_batch, mode="val")

    def before_test_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: DataBatch = None
    ) -> None:
        """Act before a test batch."""
        self._before_iter(runner, batch_idx=batch_idx, data_batch=data_batch, mode="test")

    @acting(_as("_after_iter"))
    def after_train_iter(
        self,
        runner: RunnerT,
        batch_idx: int,
        data_batch: DataBatch = None,
        outputs: Any = None,
    ) -> None:
        """Act after a training iteration, with what `train_step` returned."""
        self._after_iter(runner, batch_idx, data_batch, outputs, mode="train")

    def after_val_iter(
        self,
        runner: RunnerT,
        batch_idx: int,
        data_batch: DataBatch = None,
        outputs: Any = None,
    ) -> None:
        """Act after a validation batch, with the predictions."""
        self._after_iter(runner, batch_idx, data_batch, outputs, mode="val")

    def after_test_iter(
        self,
        runner: RunnerT,
        batch_idx: int,
        data_batch: DataBatch = None,
        outputs: Any = None,
    ) -> None:
        """Act after a test batch, with the predictions."""
        self._after_iter(runner, batch_idx, data_batch, outputs, mode="test")

    def _before_epoch(self, runner: RunnerT, mode: str = "train") -> None:
        """Act before an epoch of any kind."""

    def _after_epoch(self, runner: RunnerT, mode: str = "train") -> None:
        """Act after an epoch of any kind."""

    def _before_iter(
        self,
        runner: RunnerT,
        batch_idx: int,
        data_batch: DataBatch = None,
        mode: str = "train",
    ) -> None:
        """Act before an iteration of any kind."""

    def _after_iter(
        self,
        runner: RunnerT,
        batch_idx: int,
        data_batch: DataBatch = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        """Act after an iteration of any kind."""

    def every_n_epochs(self, runner: RunnerT, n: int, start: int = 0) -> bool:
        """Tell whether the epoch that runs is an ``n``-th one, counted from ``start``."""
        return due(runner.epoch + 1, n, start)

    def every_n_inner_iters(self, batch_idx: int, n: int) -> bool:
        """Tell whether the iteration is an ``n``-th one of its epoch."""
        return due(batch_idx + 1, n)

    def every_n_train_iters(self, runner: RunnerT, n: int, start: int = 0) -> bool:
        """Tell whether the training iteration that runs is an ``n``-th one."""
        return due(runner.iter + 1, n, start)

    def end_of_epoch(self, dataloader: Any, batch_idx: int) -> bool:
        """Tell whether the batch is the last of its loader."""
        return batch_idx + 1 == len(dataloader)

    def is_last_train_epoch(self, runner: RunnerT) -> bool:
        """Tell whether the epoch that runs is the last."""
        return runner.epoch + 1 == runner.max_epochs

    def is_last_train_iter(self, runner: RunnerT) -> bool:
        """Tell whether the training iteration that runs is the last."""
        return runner.iter + 1 == runner.max_iters

    def get_triggered_stages(self) -> list[str]:
        """Return the points that this hook acts at, in the order of a run."""
        return [point for point in POINTS if overrides(self, point)]


def overrides(hook: Hook, point: str) -> bool:
    """Tell whether a hook does anything at a point, itself or by what the point falls back to."""
    own, fallback = type(hook), POINTS[point]
    if getattr(own, point, None) is not getattr(Hook, point):
        return True
    return fallback is not None and getattr(own, fallback, None) is not getattr(Hook, fallback)
