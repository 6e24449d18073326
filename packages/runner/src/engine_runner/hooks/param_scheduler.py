"""When the schedules move on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.every import EACH, acting
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerLike, RunnerT

__all__ = ["ParamSchedulerHook"]


@HOOKS.register_module()
class ParamSchedulerHook(Hook[RunnerT]):
    """Step every schedule by epoch or by iteration, and those that watch a metric after it."""

    priority = "LOW"

    @acting(lambda hook, runner: EACH if [*_by_iter(runner)] else None)
    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Step the schedules that count iterations."""
        for scheduler in _by_iter(runner):
            scheduler.step()

    def after_train_epoch(self, runner: RunnerT) -> None:
        """Step the schedules that count epochs, also those that act upon a metric alone."""
        for scheduler in _schedulers(runner):
            if scheduler.by_epoch:
                scheduler.step()

    def after_val_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """Step the schedules that watch a metric."""
        if metrics is None:
            return
        for scheduler in _schedulers(runner):
            if scheduler.by_epoch and _watches(scheduler):
                scheduler.step(metrics)


def _watches(scheduler: Any) -> bool:
    return bool(getattr(scheduler, "need_val_args", False))


def _by_iter(runner: RunnerLike) -> Iterator[Any]:
    return (scheduler for scheduler in _schedulers(runner) if not scheduler.by_epoch)


def _schedulers(runner: RunnerLike) -> Iterator[Any]:
    schedulers = runner.param_schedulers
    if isinstance(schedulers, dict):
        for members in schedulers.values():
            yield from members
    else:
        yield from schedulers
