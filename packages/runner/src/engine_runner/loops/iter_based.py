"""Training by iterations.

It reads::

    before_train
    before_train_epoch
    while iter < max_iters:
        run_iter(next(batches))         # passing over the data as often as that takes
        validate, where it is due
    after_train_epoch
    after_train
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import Any

from torch import nn

from engine_registry import LOOPS
from engine_runner.hooks.sampler_seed import set_sampler_epoch
from engine_runner.loops.train import TrainLoop, no_batch, whole
from engine_runner.process.preemption import PREEMPTION
from engine_runner.protocols import LoopRunner

__all__ = ["IterBasedTrainLoop"]


@LOOPS.register_module()
class IterBasedTrainLoop(TrainLoop):
    """Train for a number of iterations, passing over the data as often as that takes.

    Parameters
    ----------
    max_iters : int
        Iterations to do.
    runner, dataloader, val_begin, val_interval, dynamic_intervals, max_time, token_key
        As for `TrainLoop`, in iterations.
    """

    by_epoch = False

    def __init__(
        self,
        runner: LoopRunner,
        dataloader: Any,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: Sequence[tuple[int, int]] | None = None,
        max_time: float | str | None = None,
        token_key: str = "input_ids",
    ) -> None:
        iters = whole("max_iters", max_iters)
        # to the hooks that count them, the run is one epoch
        super().__init__(
            runner, dataloader, 1, iters, val_begin, val_interval, dynamic_intervals, max_time,
            token_key,
        )  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next pass over the loader gives what is left of one begun."""
        super().load_state_dict(state)
        vars(self).pop("dataloader_iterator", None)
        if "passes" not in state:  # MMEngine's checkpoints count the iterations alone
            self.progress.passes = self._data.go_to(self.progress.iter)

    @cached_property
    def dataloader_iterator(self) -> Generator[Any, None, None]:
        """Batches without end, a new order in every pass, and first the rest of a pass."""
        return self._batches(self._open() if self._data.consumed else None)

    @property
    def stops_in_order(self) -> bool:
        """Whether it is this class that runs the iterations."""
        return type(self).run is IterBasedTrainLoop.run

    def run(self) -> nn.Module:
        """Train and validate to the end; return the model."""
        call, progress = self.runner.call_hook, self.progress
        call("before_train")
        call("before_train_epoch")
        self.runner.model.train()
        batches = self.dataloader_iterator
        self._begin()
        self._make_up()
        while progress.iter < progress.max_iters and not self.stop_training:
            self.run_iter(next(batches))
            if PREEMPTION.wanted:
                self.stop_if_told()
            if self._limit is not None and self.is_time_up():
                break
            self.validate_if_due()
        call("after_train_epoch")
        call("after_train")
        if getattr(self.dataloader, "num_workers", 0) != 0:
            self._end_workers()
        return self.runner.model

    def _end_workers(self) -> None:
        """End the workers of the pass under way: as garbage they would be waited for, at any time."""
        batches: Generator[Any, None, None] | None = vars(self).pop("dataloader_iterator", None)
        if batches is not None:
            self._data.leave(batches)

    def run_iter(self, data_batch: Any) -> None:
        """Train on one batch; to hooks, its number is that of the iteration."""
        self._train_on(self.progress.iter, data_batch)

    def _batches(self, rest: Iterator[Any] | None) -> Generator[Any, None, None]:
        if rest is not None:
            yield from rest
            self._close()
        while True:
            yield from self._open()
            if self._data.consumed == 0:
                raise no_batch()
            self._close()

    def _open(self) -> Iterator[Any]:
        set_sampler_epoch(self.dataloader, self.passes)
        return self._data.open(self.passes)

    def _close(self) -> None:
        self.progress.passes += 1
        self._data.close()
