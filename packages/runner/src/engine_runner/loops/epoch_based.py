"""Training by epochs.

It reads::

    before_train
    while epoch < max_epochs:
        before_train_epoch
        for batch in dataloader: run_iter
        after_train_epoch
        epoch += 1
        validate, where it is due
    after_train

With ``max_time``, the two loops are left after the iteration that it passes in; a signal ends the run after
an iteration, too, by an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from engine_registry import LOOPS
from engine_runner.loops.train import TrainLoop, whole
from engine_runner.process.preemption import PREEMPTION
from engine_runner.protocols import LoopRunner

__all__ = ["EpochBasedTrainLoop"]


@LOOPS.register_module()
class EpochBasedTrainLoop(TrainLoop):
    """Train for a number of passes over the data.

    Parameters
    ----------
    max_epochs : int
        Passes to make; the loader must have a length.
    runner, dataloader, val_begin, val_interval, dynamic_intervals, max_time, token_key
        As for `TrainLoop`, in epochs.
    """

    def __init__(
        self,
        runner: LoopRunner,
        dataloader: Any,
        max_epochs: int,
        val_begin: int = 1,
        val_interval: int = 1,
        dynamic_intervals: Sequence[tuple[int, int]] | None = None,
        max_time: float | str | None = None,
        token_key: str = "input_ids",
    ) -> None:
        epochs = whole("max_epochs", max_epochs)
        super().__init__(
            runner, dataloader, epochs, None, val_begin, val_interval, dynamic_intervals,
            max_time, token_key,
        )  # fmt: skip

    @property
    def stops_in_order(self) -> bool:
        """Whether it is this class that runs the iterations."""
        own = type(self)
        return (
            own.run is EpochBasedTrainLoop.run and own.run_epoch is EpochBasedTrainLoop.run_epoch
        )

    def run(self) -> nn.Module:
        """Train and validate to the end; return the model."""
        call, progress = self.runner.call_hook, self.progress
        call("before_train")
        self._begin()
        self._make_up()
        while progress.epoch < progress.max_epochs and not self.stop_training:
            self.run_epoch()
            if self._limit is not None and self.is_time_up():
                break
            self.validate_if_due()
        call("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        """Make one pass over the data, or what is left of it after a resume."""
        call = self.runner.call_hook
        call("before_train_epoch")
        self.runner.model.train()
        for idx, data_batch in enumerate(self._data.open(self.passes), start=self._data.consumed):
            self.run_iter(idx, data_batch)
            if PREEMPTION.wanted:
                self.stop_if_told()
            if self._limit is not None and self.is_time_up():
                return  # the rest of the epoch is for the run that goes on
        self.progress.ending = "epoch"
        call("after_train_epoch")
        self.progress.end_epoch()
        self.progress.passes += 1
        self._data.close()

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train on one batch, which is number ``idx`` of the epoch."""
        self._train_on(idx, data_batch)
