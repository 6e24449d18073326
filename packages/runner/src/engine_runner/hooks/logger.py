"""What is told of a run while it goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from engine_registry import HOOKS
from engine_runner.hooks.every import EACH, Every, acting
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.log_copies import LogCopies
from engine_runner.hooks.loss_watch import LossWatch
from engine_runner.logging import LogProcessor
from engine_runner.logging.outages import going_on_without
from engine_runner.protocols import RunnerLike, RunnerT

__all__ = ["LoggerHook"]


@HOOKS.register_module()
class LoggerHook(Hook[RunnerT]):
    """Log every ``interval`` iterations and after every validation; hand scalars to the backends.

    Parameters
    ----------
    interval : int, default 10
        Iterations between two lines.
    ignore_last : bool, default True
        Leave out the last, shorter stretch of an epoch that has a whole one.
    interval_exp_name : int, default 1000
        Iterations between two lines that name the experiment; below 1 for none.
    out_dir : str or Path, optional
        A folder, or the URI of one, to which the logs are copied when a run ends: into one that
        bears the name of the work directory.
    out_suffix : str or tuple of str
        How the names of the files end that are copied.
    keep_local : bool, default True
        Keep the files that were copied.
    file_client_args : dict, optional
        The older name of ``backend_args``.
    log_metric_by_epoch : bool, default True
        Let the metrics' step be the epoch, where training counts epochs, else the iteration.
    backend_args : dict, optional
        What the storage of ``out_dir`` is reached with; found by its prefix by default.

    Raises
    ------
    TypeError
        If a parameter is of another type.
    ValueError
        If ``interval`` is below 1, ``file_client_args`` is given without ``out_dir`` or together
        with ``backend_args``.
    """

    priority = "BELOW_NORMAL"

    def __init__(
        self,
        interval: int = 10,
        ignore_last: bool = True,
        interval_exp_name: int = 1000,
        out_dir: str | Path | None = None,
        out_suffix: str | Sequence[str] = (".json", ".log", ".py", "yaml"),
        keep_local: bool = True,
        file_client_args: Mapping[str, Any] | None = None,
        log_metric_by_epoch: bool = True,
        backend_args: Mapping[str, Any] | None = None,
    ) -> None:
        _check("interval", interval, int)
        _check("ignore_last", ignore_last, bool)
        _check("interval_exp_name", interval_exp_name, int)
        _check("out_dir", out_dir, str, Path, type(None))
        if interval < 1:
            raise ValueError(f"interval must be at least 1, got {interval}")
        if file_client_args is not None and (out_dir is None or backend_args is not None):
            other = "takes out_dir" if out_dir is None else "goes not with backend_args"
            raise ValueError(f"file_client_args, the older name of backend_args, {other}")
        self.interval = interval
        self.ignore_last = ignore_last
        self.interval_exp_name = interval_exp_name
        self.out_dir = out_dir
        self.out_suffix = (out_suffix,) if isinstance(out_suffix, str) else tuple(out_suffix)
        self.keep_local = keep_local
        self.log_metric_by_epoch = log_metric_by_epoch
        self._backend_args = backend_args or file_client_args
        # batches of the pass that runs: a loader need not know how many it gives
        self._seen = 0
        self._by_epoch: bool | None = None  # whether training counts epochs, if there is any

    def before_run(self, runner: RunnerT) -> None:
        """Hand the resolved config to the backends."""
        runner.visualizer.add_config(runner.cfg)

    def before_train(self, runner: RunnerT) -> None:
        """Look at the losses from here on; have kept of the scalars what lines are about."""
        # a line that ends an epoch may be left out: the next is about up to two intervals
        runner.log_processor.keep_histories(runner, "train", 2 * self.interval)
        self._losses = LossWatch(runner.iter)
        self._by_epoch = getattr(runner.train_loop, "by_epoch", True)

    def after_train(self, runner: RunnerT) -> None:
        """Look at the losses after the last line."""
        self._watch(runner, runner.iter)

    def _cadence(self, runner: RunnerT) -> Every:
        """Return how often there is a line: each interval, at the end, and where a name is due."""
        named, length = self.interval_exp_name, _length(runner.train_loop.dataloader, 0)
        begun = runner.epoch * length if self._by_epoch else 0
        ends = begun + length if self._by_epoch else runner.max_iters
        due = range((runner.iter // named + 1) * named, ends, named) if named > 0 else ()
        if all((done - begun) % self.interval == 0 for done in due):
            return Every(self.interval, unit="batch", last=True)
        return EACH

    @acting(_cadence)
    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a line where one is due."""
        length = _length(runner.train_loop.dataloader, 0)
        ends = length == batch_idx + 1
        if ends or self.every_n_train_iters(runner, self.interval_exp_name):
            runner.logger.info("Exp name: %s", runner.experiment_name)
        if not (
            self.every_n_inner_iters(batch_idx, self.interval) or self._ends(runner, length, ends)
        ):
            return
        tag = self._write(runner, batch_idx)
        self._watch(runner, runner.iter + 1)
        runner.visualizer.add_scalars(tag, step=runner.iter + 1, file_path=_scalar_file(runner))

    def _write(self, runner: RunnerT, batch_idx: int) -> dict[str, Any]:
        """Log a line of training and return its scalars; no line is made that nobody takes."""
        processor = runner.log_processor
        own = type(processor).get_log_after_iter is not LogProcessor.get_log_after_iter
        if not own and not runner.logger.isEnabledFor(logging.INFO):
            return processor.get_scalars_after_iter(runner, batch_idx, "train")
        tag, text = processor.get_log_after_iter(runner, batch_idx, "train")
        runner.logger.info(text)
        return tag

    def _watch(self, runner: RunnerT, done: int) -> None:
        """Say it where a loss is no number; the losses are on the host where a line was made."""
        losses = runner.message_hub.log_scalars.get("train/loss")
        found = self._losses.look(losses, done) if losses is not None else None
        if found is None:
            return
        guarded = getattr(runner.optim_wrapper, "guard", None) is not None
        remedy = (
            "lower the learning rate, clip the gradients, or set optim_wrapper.non_finite='raise' "
            "to end there or 'skip' to leave such steps out"
        )
        runner.logger.warning(
            "the loss of iteration %d is %g%s", *found,
            "" if guarded else f", and training goes on from what it made of the weights: {remedy}",
        )  # fmt: skip

    def _ends(self, runner: RunnerT, length: int, ends: bool) -> bool:
        """Tell whether an epoch, or the run, ends with a line between two intervals.

        One that is no longer than the interval would have no line at all.
        """
        if ends:
            return not self.ignore_last or length <= self.interval
        return self.is_last_train_iter(runner) and runner.max_iters <= self.interval

    def before_val_epoch(self, runner: RunnerT) -> None:
        """Have kept of the scalars what lines are about."""
        runner.log_processor.keep_histories(runner, "val")

    def before_test_epoch(self, runner: RunnerT) -> None:
        """Have kept of the scalars what lines are about."""
        runner.log_processor.keep_histories(runner, "test")

    def after_val_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a line where one is due."""
        self._iterate(runner, batch_idx, "val")

    def after_test_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a line where one is due."""
        self._iterate(runner, batch_idx, "test")

    def after_val_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """Write the metrics."""
        count = _length(runner.val_loop.dataloader, self._seen)
        tag, text = runner.log_processor.get_log_after_epoch(runner, count, "val")
        runner.logger.info(text)
        by_epoch = runner.log_processor.by_epoch if self._by_epoch is None else self._by_epoch
        step = runner.epoch if self.log_metric_by_epoch and by_epoch else runner.iter
        runner.visualizer.add_scalars(tag, step=step, file_path=_scalar_file(runner))

    def after_test_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """Write the metrics, also as a JSON file beside the log."""
        count = _length(runner.test_loop.dataloader, self._seen)
        tag, text = runner.log_processor.get_log_after_epoch(
            runner, count, "test", with_non_scalar=True
        )
        runner.logger.info(text)
        if runner.rank == 0:
            file = Path(runner.log_dir) / f"{runner.timestamp}.json"
            with going_on_without(file, set()):
                file.write_text(json.dumps(tag, default=str) + "\n", encoding="utf-8")

    def _iterate(self, runner: RunnerT, batch_idx: int, mode: Literal["val", "test"]) -> None:
        self._seen = batch_idx + 1
        if self.every_n_inner_iters(batch_idx, self.interval):
            runner.logger.info(runner.log_processor.get_log_after_iter(runner, batch_idx, mode)[1])

    def after_run(self, runner: RunnerT) -> None:
        """Let the backends finish, and copy the logs where they are to be copied."""
        runner.visualizer.close()
        if self.out_dir is not None and runner.rank == 0:
            copies = LogCopies(self.out_dir, self.out_suffix, self.keep_local, self._backend_args)
            name = Path(runner.work_dir).resolve().name
            # a resumed run's scalars are where its first start has its logs
            for folder in dict.fromkeys((runner.visualizer.run_dir, runner.log_dir)):
                for copy in copies.make(Path(folder), name) if folder else ():
                    runner.logger.info("a log was copied to %s", copy)


def _check(name: str, value: object, *kinds: type) -> None:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        allowed = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} must be of type {allowed}, got {value!r}")


def _length(dataloader: Any, unknown: int) -> int:
    try:
        return len(dataloader)
    except TypeError:
        return unknown


def _scalar_file(runner: RunnerLike) -> str:
    return f"{runner.timestamp}.json"
