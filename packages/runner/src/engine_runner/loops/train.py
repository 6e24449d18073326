"""What training by epochs and by iterations share."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Literal

from engine_dataset import later_pass
from engine_dist import data_parallel, get_rng_state, get_world_size, watch
from engine_runner.hooks.throughput_meter import tokens_in
from engine_runner.loops.intervals import milestones
from engine_runner.loops.iteration import Iteration
from engine_runner.loops.loop import BaseLoop
from engine_runner.loops.passes import Passes
from engine_runner.loops.time_limit import TimeLimit, seconds_of
from engine_runner.process.preemption import BEHIND, ITERATION, PREEMPTION
from engine_runner.protocols import LoopRunner
from engine_runner.state.progress import Progress

__all__ = ["TrainLoop", "length_of", "no_batch", "whole"]


class TrainLoop(BaseLoop):
    """Base of loops that train: counters, the step, when to validate.

    Parameters
    ----------
    runner : RunnerLike
        What runs the loop.
    dataloader : dict or iterable
        The loader, or the configuration of one.
    max_epochs, max_iters : int
        What there is to do; of ``max_iters``, None for as many as the epochs have.
    val_begin : int, default 1
        The first epoch or iteration after which to validate.
    val_interval : int
        Epochs or iterations between two validations; the last is always validated.
    dynamic_intervals : list of (int, int), optional
        From which epoch or iteration on which interval holds.
    max_time : float or str, optional
        Seconds, ``"hh:mm:ss"`` or ``"dd:hh:mm:ss"`` after which to end, by the clock of rank 0, amid
        an epoch too; a resumed run has as much again.
    token_key : str, default "input_ids"
        What of a batch holds its tokens, for intervals that count them.

    Attributes
    ----------
    stop_training : bool
        Set it to end after the iteration, or the epoch, that runs.
    """

    even = True  # a rank with a batch more would wait for the others' gradients for ever

    def __init__(
        self,
        runner: LoopRunner,
        dataloader: Any,
        max_epochs: int,
        max_iters: int | None,
        val_begin: int = 1,
        val_interval: int = 1,
        dynamic_intervals: Sequence[tuple[int, int]] | None = None,
        max_time: float | str | None = None,
        token_key: str = "input_ids",
    ) -> None:
        limit = None if max_time is None else TimeLimit(seconds_of(max_time), self.clock)
        super().__init__(runner, dataloader)
        if max_iters is None:
            max_iters = max_epochs * length_of(self.dataloader)
        self.progress = Progress(max_epochs, max_iters)
        self._data = Passes(self.dataloader)
        self._iteration = Iteration(runner, self.progress, self.epoch_length)
        self.val_begin = val_begin
        self.val_interval = val_interval
        self._milestones = milestones(val_interval, dynamic_intervals)
        self._validating = False
        self.stop_training = False
        self.max_time = max_time
        self._limit = limit
        self.token_key = token_key
        self._counts_tokens = False
        self._shapes = watch.batch_shapes()

    # ------------------------------------------------------------------ counts

    @property
    def max_epochs(self) -> int:
        """Epochs to do."""
        return self.progress.max_epochs

    @property
    def max_iters(self) -> int:
        """Iterations to do."""
        return self.progress.max_iters

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.progress.epoch

    @property
    def iter(self) -> int:
        """Iterations done."""
        return self.progress.iter

    @property
    def passes(self) -> int:
        """Passes over the data done: what a sampler takes for its epoch."""
        return self.progress.passes

    @property
    def ending(self) -> Literal["iter", "epoch"] | None:
        """What is done and not counted yet, while the hooks after it run."""
        return self.progress.ending

    @ending.setter
    def ending(self, value: Literal["iter", "epoch"] | None) -> None:
        self.progress.ending = value

    # what loops that were written for MMEngine count by

    @property
    def _epoch(self) -> int:
        return self.progress.epoch

    @_epoch.setter
    def _epoch(self, value: int) -> None:
        self.progress.passes += value - self.progress.epoch
        self.progress.epoch = value
        self._data.close()

    @property
    def _iter(self) -> int:
        return self.progress.iter

    @_iter.setter
    def _iter(self, value: int) -> None:
        if value == self.progress.iter + 1:  # a loop has trained on a batch in its own way
            self._data.consumed += 1
        self.progress.iter = value

    @property
    def _max_epochs(self) -> int:
        return self.progress.max_epochs

    @_max_epochs.setter
    def _max_epochs(self, value: int) -> None:
        self.progress.max_epochs = value

    @property
    def _max_iters(self) -> int:
        return self.progress.max_iters

    @_max_iters.setter
    def _max_iters(self, value: int) -> None:
        self.progress.max_iters = value

    @property
    def _progress(self) -> tuple[int, int]:
        """Epochs or iterations done, whichever validations are counted by, and to do."""
        own = self.progress
        return (own.epoch, own.max_epochs) if self.by_epoch else (own.iter, own.max_iters)

    def epoch_length(self) -> int | None:
        """Return how many batches a pass has, or None where that is not known."""
        try:
            return len(self.dataloader)
        except TypeError:
            return None

    # ------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """Return the counters, and where in the order of the samples the loop stands.

        True also inside of the hooks after an iteration, an epoch or a validation.
        """
        state = {**self.progress.state_dict(), "dataloader": self._data.state_dict(self.behind)}
        if self._validating and self._measured:
            state["validated"] = self._progress[0]
        return state

    @property
    def _measured(self) -> bool:
        return getattr(self.runner.val_loop, "metrics", None) is not None

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next pass over the loader gives what is left of the epoch."""
        # a checkpoint that does not say it, such as MMEngine's, has nothing to be made up for
        done = state["epoch" if self.by_epoch else "iter"]
        self.progress.load_state_dict({"validated": done, **state})
        self._data.load_state_dict(state.get("dataloader"))
        self._iteration.forget()

    @property
    def behind(self) -> int:
        """Batches of the pass of now that are behind."""
        ending = self.progress.ending
        return 0 if ending == "epoch" else self._data.consumed + (ending == "iter")

    @property
    def rng(self) -> Mapping[str, Any]:
        """The generators' state: within a validation, which a resume begins anew, as that began."""
        return self._val_rng if self._validating and not self._measured else get_rng_state()

    @property
    def pass_rng(self) -> Mapping[str, Any] | None:
        """The generators' state as the pass over the data began; None where none is under way."""
        return self._data.rng(self.behind)

    def set_rng(
        self, left: Mapping[str, Any] | None = None, begun: Mapping[str, Any] | None = None
    ) -> None:
        """Let training draw on as a run did when it was saved.

        Parameters
        ----------
        left, begun : Mapping, optional
            The generators then, and `pass_rng` then; None leaves what is set.
        """
        self._data.set_rng(left, begun)

    # -------------------------------------------------------------------- runs

    def clock(self) -> float:
        """Return the seconds by which `max_time` is counted."""
        return time.monotonic()

    def _begin(self) -> None:
        """Let the time run, and plan for the hooks as they are."""
        self._iteration.forget()
        self._shapes = watch.batch_shapes()
        if self._limit is not None:
            self._limit.begin(self.progress.iter)

    def _train_on(self, idx: int, data_batch: Any) -> None:
        """Train on one batch, which is number ``idx`` of its pass."""
        if self._counts_tokens:
            self.progress.tokens += tokens_in(data_batch, self.token_key) * data_parallel().size
        if self._shapes is not None:
            self._shapes.see(self.progress.iter + 1, data_batch)
        self._iteration(idx, data_batch)
        self._data.consumed += 1

    def count_tokens(self) -> Callable[[], int]:
        """Count the tokens of each batch from now on; return who tells how many there were."""
        self._counts_tokens = True
        return lambda: self.progress.tokens

    def is_time_up(self) -> bool:
        """Tell whether `max_time` has passed, on all processes after the same iteration.

        Training ends then as by ``stop_training``; never where it is at its end anyway.
        """
        limit, own = self._limit, self.progress
        if limit is None or own.iter >= own.max_iters or not limit.is_up(own.iter):
            return False
        if not self.stop_training:
            self.stop_training = True
            self.runner.logger.info(
                "max_time=%s has passed: training ends with %d epochs and %d iterations done; a run "
                "that is resumed goes on from there", self.max_time, own.epoch, own.iter,
            )  # fmt: skip
        return True

    def validate_if_due(self) -> None:
        """Run the validation where the epochs or iterations done make one due."""
        done, goal = self._progress
        loop = self.runner.val_loop
        if loop is not None and self._is_due(done, goal):
            self._validating, self._val_rng = True, get_rng_state()
            PREEMPTION.clean = not self._finishes_step()
            with later_pass(loop.dataloader) if done > self._first_due(goal) else nullcontext():
                loop.run()
            PREEMPTION.clean = self._validating = False
            self.runner.model.train()
            self.progress.validated = done
            self.stop_if_told(BEHIND)
        self.progress.validated = done

    def stop_if_told(self, stage: int = ITERATION) -> None:
        """Save and end the run where a signal has asked for it, on all ranks behind the same iteration.

        Raises
        ------
        Preempted
        """
        if not self._finishes_step() and PREEMPTION.stops_at(stage):
            self.runner.stop_in_order()

    def _finishes_step(self) -> bool:
        """Tell whether a run of several ranks goes on, since a step is gathered in part.

        What each has gathered is not saved but as their mean, which is not, bit for bit, what an
        unbroken run comes to; one process saves it as it is.
        """
        return get_world_size() > 1 and getattr(self.runner.optim_wrapper, "half_gathered", False)

    def _is_due(self, done: int, goal: int) -> bool:
        if done < self.val_begin:
            return False
        self._decide_current_val_interval()
        return done == goal or done % self.val_interval == 0

    def _decide_current_val_interval(self) -> None:
        """Set the interval that holds by now; loops that were written for MMEngine call it."""
        self.val_interval = self._interval(self._progress[0])

    def _interval(self, done: int) -> int:
        starts = [start for start, _ in self._milestones]
        # what the milestones count is what comes next
        return self._milestones[bisect_right(starts, done + 1) - 1][1]

    def _first_due(self, goal: int) -> int:
        first = max(1, self.val_begin)
        return next((n for n in range(first, goal) if n % self._interval(n) == 0), goal)

    def _make_up(self) -> None:
        """Run the validation that was due where a resumed run was saved, and not done."""
        if not self._data.consumed:
            self._data.take_up_rng()
        if self.progress.validated < self._progress[0]:
            self.validate_if_due()


def whole(name: str, value: Any) -> int:
    """Return a number of 0 or more as one; raise ValueError for anything else."""
    if not isinstance(value, int | float) or value != int(value) or value < 0:
        raise ValueError(f"{name} must be a whole number of 0 or more, got {value!r}")
    return int(value)


def length_of(dataloader: Any) -> int:
    """Return how many batches a pass has.

    Raises
    ------
    TypeError
        If the loader cannot say it.
    ValueError
        If there are none.
    """
    try:
        count = len(dataloader)
    except TypeError as error:
        raise TypeError(
            f"the training data loader cannot say how many batches an epoch has ({error}); "
            "train by iterations instead: train_cfg=dict(max_iters=...)"
        ) from error
    if count == 0:
        raise no_batch()
    return count


def no_batch() -> ValueError:
    """Return the error of a loader that is empty."""
    return ValueError(
        "the training data loader gives no batch; is its dataset empty, or smaller than a batch "
        "while drop_last is set?"
    )
