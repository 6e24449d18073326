"""When the schedules move on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.protocol import RunnerLike

__all__ = ["ParamSchedulerHook"]


@HOOKS.register_module()
class ParamSchedulerHook(Hook):
    """Step every schedule by epoch or by iteration, and those that watch a metric after it."""

    priority = "LOW"

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Step the schedules that count iterations."""
        for scheduler in _schedulers(runner):
            if not scheduler.by_epoch:
                scheduler.step()

    def after_train_epoch(self, runner: RunnerLike) -> None:
        """Step the schedules that count epochs."""
        for scheduler in _schedulers(runner):
            if scheduler.by_epoch and not _watches(scheduler):
                scheduler.step()

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        """Step the schedules that watch a metric."""
        if metrics is None:
            return
        for scheduler in _schedulers(runner):
            if scheduler.by_epoch and _watches(scheduler):
                scheduler.step(metrics)


def _watches(scheduler: Any) -> bool:
    return bool(getattr(scheduler, "need_val_args", False))


def _schedulers(runner: RunnerLike) -> Iterator[Any]:
    schedulers = runner.param_schedulers
    if isinstance(schedulers, dict):
        for members in schedulers.values():
            yield from members
    else:
        yield from schedulers
