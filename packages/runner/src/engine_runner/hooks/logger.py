"""What is told of a run while it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.protocol import RunnerLike

__all__ = ["LoggerHook"]


@HOOKS.register_module()
class LoggerHook(Hook):
    """Log every ``interval`` iterations and after every validation; hand scalars to the backends.

    Parameters
    ----------
    interval : int, default 10
        Iterations between two lines.
    ignore_last : bool, default True
        Leave out the last, shorter stretch of an epoch that has a whole one.
    interval_exp_name : int, default 1000
        Iterations between two lines that name the experiment; below 1 for none.
    log_metric_by_epoch : bool, default True
        Let the metrics' step be the epoch, where training counts epochs, else the iteration.
    """

    priority = "BELOW_NORMAL"

    def __init__(
        self,
        interval: int = 10,
        ignore_last: bool = True,
        interval_exp_name: int = 1000,
        log_metric_by_epoch: bool = True,
    ) -> None:
        if interval < 1:
            raise ValueError(f"interval must be at least 1, got {interval}")
        self.interval = interval
        self.ignore_last = ignore_last
        self.interval_exp_name = interval_exp_name
        self.log_metric_by_epoch = log_metric_by_epoch
        # batches of the pass that runs: a loader need not know how many it gives
        self._seen = 0

    def before_run(self, runner: RunnerLike) -> None:
        """Hand the resolved config to the backends."""
        runner.visualizer.add_config(runner.cfg)

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a line where one is due."""
        if self.every_n_train_iters(runner, self.interval_exp_name):
            runner.logger.info("Exp name: %s", runner.experiment_name)
        due = self.every_n_inner_iters(batch_idx, self.interval)
        if not due and not self._ends(runner, batch_idx):
            return
        tag, text = runner.log_processor.get_log_after_iter(runner, batch_idx, "train")
        runner.logger.info(text)
        runner.visualizer.add_scalars(tag, step=runner.iter + 1, file_path=_scalar_file(runner))

    def _ends(self, runner: RunnerLike, batch_idx: int) -> bool:
        """Tell whether an epoch, or the run, ends with a line between two intervals.

        One that is no longer than the interval would have no line at all.
        """
        length = _length(runner.train_loop.dataloader, 0)
        if length == batch_idx + 1:
            return not self.ignore_last or length <= self.interval
        return self.is_last_train_iter(runner) and runner.max_iters <= self.interval

    def after_val_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a line where one is due."""
        self._iterate(runner, batch_idx, "val")

    def after_test_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a line where one is due."""
        self._iterate(runner, batch_idx, "test")

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        """Write the metrics."""
        count = _length(runner.val_loop.dataloader, self._seen)
        tag, text = runner.log_processor.get_log_after_epoch(runner, count, "val")
        runner.logger.info(text)
        by_epoch = self.log_metric_by_epoch and runner.log_processor.by_epoch
        step = runner.epoch if by_epoch else runner.iter
        runner.visualizer.add_scalars(tag, step=step, file_path=_scalar_file(runner))

    def after_test_epoch(
        self, runner: RunnerLike, metrics: dict[str, float] | None = None
    ) -> None:
        """Write the metrics, also as a JSON file beside the log."""
        count = _length(runner.test_loop.dataloader, self._seen)
        tag, text = runner.log_processor.get_log_after_epoch(
            runner, count, "test", with_non_scalar=True
        )
        runner.logger.info(text)
        if runner.rank == 0:
            file = Path(runner.log_dir) / f"{runner.timestamp}.json"
            file.write_text(json.dumps(tag, default=str) + "\n", encoding="utf-8")

    def _iterate(self, runner: RunnerLike, batch_idx: int, mode: Literal["val", "test"]) -> None:
        self._seen = batch_idx + 1
        if self.every_n_inner_iters(batch_idx, self.interval):
            runner.logger.info(runner.log_processor.get_log_after_iter(runner, batch_idx, mode)[1])

    def after_run(self, runner: RunnerLike) -> None:
        """Let the backends finish."""
        runner.visualizer.close()


def _length(dataloader: Any, unknown: int) -> int:
    try:
        return len(dataloader)
    except TypeError:
        return unknown


def _scalar_file(runner: RunnerLike) -> str:
    return f"{runner.timestamp}.json"
