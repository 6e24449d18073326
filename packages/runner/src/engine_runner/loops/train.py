"""Training by epochs or by iterations, on one core.

An iteration reads::

    before_train_iter
    outputs = model.train_step(batch, optim_wrapper)    # forward, backward, step
    after_train_iter
    iter += 1
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

from torch import nn

from engine_dataset import later_pass
from engine_registry import LOOPS
from engine_runner.hooks.protocol import RunnerLike
from engine_runner.loops.loop import BaseLoop
from engine_runner.loops.passes import Passes

__all__ = ["EpochBasedTrainLoop", "IterBasedTrainLoop", "TrainLoop"]


class TrainLoop(BaseLoop):
    """What training by epochs and by iterations share: counters, the step, when to validate.

    Parameters
    ----------
    runner : RunnerLike
        What runs the loop.
    dataloader : dict or iterable
        The loader, or the configuration of one.
    val_begin : int, default 1
        The first epoch or iteration after which to validate.
    val_interval : int
        Epochs or iterations between two validations.
    dynamic_intervals : list of (int, int), optional
        From which epoch or iteration on which interval holds.
    """

    by_epoch: ClassVar[bool] = True  # whether it counts epochs
    even = True  # a rank with a batch more would wait for the others' gradients for ever

    def __init__(
        self,
        runner: RunnerLike,
        dataloader: Any,
        val_begin: int = 1,
        val_interval: int = 1,
        dynamic_intervals: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(runner, dataloader)
        self._epoch = 0
        self._iter = 0
        self._data = Passes(self.dataloader)
        # what has been done already while the hooks after it run, and is not counted yet
        self._ending_iter = 0
        self._ending_epoch = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self._milestones = [(0, val_interval), *sorted(map(tuple, dynamic_intervals or ()))]
        # up to which epoch or iteration all validations that were due are done
        self._validated = 0
        self._validating = False
        self.stop_training = False

    @property
    @abstractmethod
    def max_epochs(self) -> int:
        """Epochs to do."""

    @property
    @abstractmethod
    def max_iters(self) -> int:
        """Iterations to do."""

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._epoch

    @property
    def iter(self) -> int:
        """Iterations done."""
        return self._iter

    @property
    def passes(self) -> int:
        """Passes over the data done: what a sampler takes for its epoch."""
        return self._epoch

    @property
    @abstractmethod
    def _progress(self) -> tuple[int, int]:
        """Epochs or iterations done, whichever validations are counted by, and to do."""

    @property
    def _behind(self) -> int:
        """Batches of the pass of now that are behind."""
        return 0 if self._ending_epoch else self._data.consumed + self._ending_iter

    def state_dict(self) -> dict[str, Any]:
        """Return the counters, and where in the order of the samples the loop stands.

        True also inside of the hooks after an iteration, an epoch or a validation.
        """
        measured = self._validating and getattr(self.runner.val_loop, "measured", False)
        return {
            "epoch": self._epoch + self._ending_epoch,
            "iter": self._iter + self._ending_iter,
            "dataloader": self._data.state_dict(self._behind),
            "validated": self._progress[0] if measured else self._validated,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next pass over the loader gives what is left of the epoch."""
        self._epoch = state["epoch"]
        self._iter = state["iter"]
        self._data.load_state_dict(state.get("dataloader"))
        # a checkpoint that does not say it, such as MMEngine's, has nothing to be made up for
        self._validated = state.get("validated", self._progress[0])

    @property
    def pass_rng(self) -> Mapping[str, Any] | None:
        """The generators' state as the pass over the data began; None where none is under way."""
        return self._data.rng(self._behind)

    def set_rng(self, left: Mapping[str, Any], begun: Mapping[str, Any] | None) -> None:
        """Let training draw on as a run did when it was saved.

        Parameters
        ----------
        left, begun : Mapping
            The generators then, and `pass_rng` then.
        """
        self._data.set_rng(left, begun)

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train on one batch."""
        runner = self.runner
        call = runner.call_hook
        call("before_train_iter", batch_idx=idx, data_batch=data_batch)
        outputs = runner.model.train_step(  # type: ignore[operator]  # nn.Module's attributes have no types of their own
            data_batch, optim_wrapper=runner.optim_wrapper
        )
        self._ending_iter = 1
        call("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._ending_iter = 0
        self._iter += 1
        self._data.consumed += 1

    def validate_if_due(self) -> None:
        """Run the validation where the epochs or iterations done make one due."""
        done, goal = self._progress
        loop = self.runner.val_loop
        if loop is not None and self._is_due(done, goal):
            self._validating = True
            with later_pass(loop.dataloader) if self._validated else nullcontext():
                loop.run()
            self._validating = False
            self.runner.model.train()
            self.runner.optim_wrapper.train()
        self._validated = done

    def _is_due(self, done: int, goal: int) -> bool:
        if done < self.val_begin:
            return False
        starts = [start for start, _ in self._milestones]
        self.val_interval = self._milestones[bisect_right(starts, done) - 1][1]
        return done == goal or done % self.val_interval == 0

    def _make_up(self) -> None:
        """Run the validation that was due where a resumed run was saved, and not done."""
        if not self._data.consumed:
            self._data.take_up_rng()
        if self._validated < self._progress[0]:
            self.validate_if_due()


@LOOPS.register_module()
class EpochBasedTrainLoop(TrainLoop):
    """Train for a number of passes over the data.

    Parameters
    ----------
    runner : RunnerLike
        What runs the loop.
    dataloader : dict or iterable
        The loader, or the configuration of one; it must have a length.
    max_epochs : int
        Passes to make.
    val_begin : int, default 1
        The first epoch after which to validate.
    val_interval : int, default 1
        Epochs between two validations; the last epoch is always validated.
    dynamic_intervals : list of (int, int), optional
        From which epoch on which interval holds.
    """

    def __init__(
        self,
        runner: RunnerLike,
        dataloader: Any,
        max_epochs: int,
        val_begin: int = 1,
        val_interval: int = 1,
        dynamic_intervals: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(runner, dataloader, val_begin, val_interval, dynamic_intervals)
        self._max_epochs = _whole("max_epochs", max_epochs)
        self._max_iters = self._max_epochs * _batches(self.dataloader)

    @property
    def max_epochs(self) -> int:
        """Epochs to do."""
        return self._max_epochs

    @property
    def max_iters(self) -> int:
        """Iterations to do."""
        return self._max_iters

    @property
    def _progress(self) -> tuple[int, int]:
        return self._epoch, self._max_epochs

    def run(self) -> nn.Module:
        """Train and validate to the end; return the model."""
        call = self.runner.call_hook
        call("before_train")
        self._make_up()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
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
        self._ending_epoch = 1
        call("after_train_epoch")
        self._ending_epoch = 0
        self._epoch += 1
        self._data.close()


@LOOPS.register_module()
class IterBasedTrainLoop(TrainLoop):
    """Train for a number of iterations, passing over the data as often as that takes.

    Parameters
    ----------
    runner : RunnerLike
        What runs the loop.
    dataloader : dict or iterable
        The loader, or the configuration of one.
    max_iters : int
        Iterations to do.
    val_begin : int, default 1
        The first iteration after which to validate.
    val_interval : int, default 1000
        Iterations between two validations; the last iteration is always validated.
    dynamic_intervals : list of (int, int), optional
        From which iteration on which interval holds.
    """

    by_epoch = False

    def __init__(
        self,
        runner: RunnerLike,
        dataloader: Any,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(runner, dataloader, val_begin, val_interval, dynamic_intervals)
        self._max_iters = _whole("max_iters", max_iters)
        self._passes = 0

    @property
    def max_epochs(self) -> int:
        """One: the run is one epoch to the hooks that count them."""
        return 1

    @property
    def passes(self) -> int:
        """Passes over the data done."""
        return self._passes

    def state_dict(self) -> dict[str, Any]:
        """Return the counters, the passes over the data among them, and where the loop stands."""
        return {**super().state_dict(), "passes": self._passes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next pass over the loader gives what is left of one begun."""
        super().load_state_dict(state)
        self._passes = state.get("passes", 0)

    @property
    def max_iters(self) -> int:
        """Iterations to do."""
        return self._max_iters

    @property
    def _progress(self) -> tuple[int, int]:
        return self._iter, self._max_iters

    def run(self) -> nn.Module:
        """Train and validate to the end; return the model."""
        call = self.runner.call_hook
        call("before_train")
        call("before_train_epoch")
        self.runner.model.train()
        batches = self._batches(self._open() if self._data.consumed else None)
        self._make_up()
        while self._iter < self._max_iters and not self.stop_training:
            self.run_iter(self._iter, next(batches))
            self.validate_if_due()
        call("after_train_epoch")
        call("after_train")
        return self.runner.model

    def _batches(self, rest: Iterator[Any] | None) -> Iterator[Any]:
        """Give batches without end, a new order in every pass, and first the rest of a pass."""
        if rest is not None:
            yield from rest
            self._close()
        while True:
            yield from self._open()
            if self._data.consumed == 0:
                raise _no_batch()
            self._close()

    def _open(self) -> Iterator[Any]:
        sampler = getattr(self.dataloader, "sampler", None)
        if sampler is not None and hasattr(sampler, "set_epoch"):
            sampler.set_epoch(self._passes)
        return self._data.open(self.passes)

    def _close(self) -> None:
        self._passes += 1
        self._data.close()


def _whole(name: str, value: Any) -> int:
    if not isinstance(value, int | float) or value != int(value) or value < 0:
        raise ValueError(f"{name} must be a whole number of 0 or more, got {value!r}")
    return int(value)


def _batches(dataloader: Any) -> int:
    try:
        count = len(dataloader)
    except TypeError as error:
        raise TypeError(
            f"the training data loader cannot say how many batches an epoch has ({error}); "
            "train by iterations instead: train_cfg=dict(max_iters=...)"
        ) from error
    if count == 0:
        raise _no_batch()
    return count


def _no_batch() -> ValueError:
    return ValueError(
        "the training data loader gives no batch; is its dataset empty, or smaller than a batch "
        "while drop_last is set?"
    )
