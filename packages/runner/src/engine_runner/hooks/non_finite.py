"""What happens where the loss is infinite, no number, or far above those before."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine_dist.checkpoint import find_latest_checkpoint
from engine_optim import NonFiniteError, OptimWrapper, OptimWrapperDict
from engine_registry import HOOKS
from engine_runner.hooks.bad_samples import sample_indices
from engine_runner.hooks.bad_steps import ACTIONS, Action, BadSteps
from engine_runner.hooks.every import Every, acting
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.loss_guard import LossGuard, Reading
from engine_runner.hooks.rolling_loss import RollingLoss
from engine_runner.hooks.scopes import around_loops
from engine_runner.protocols import RunnerT

__all__ = ["NonFiniteHook"]

logger = logging.getLogger("engine.runner")


@HOOKS.register_module()
class NonFiniteHook(Hook[RunnerT]):
    """Leave out steps whose loss or gradients are bad, and act on them.

    A loss is bad where it is infinite, no number, or a spike: ``sigma_factor`` standard deviations
    above the mean of the last ``rolling_interval_length``. Whatever the action, the step of such an
    iteration is left out on all ranks: with an optimizer of ``fused=True`` on the device, without
    waiting for it; with others by a look at each step's flag. What is done beside it comes when the
    flags are read, once in ``interval`` iterations, on all ranks at once and up to an interval late:

    ``"skip"``
        Nothing more than a line in the log.
    ``"lower_lr"``
        All learning rates are multiplied by ``lr_factor``; schedules go on from there.
    ``"rollback"``
        The weights, the averages of `EMAHook` and the optimizer's state are taken from the last
        checkpoint that was there when all was well. Iterations, schedules and the data go on: what
        came since that checkpoint, bad samples among it, is not trained on again.
    ``"stop"``
        `NonFiniteError`.

    The numbers of the samples of bad batches are logged by the rank that had them, where the batch
    tells them (``sample_idx``, ``index``, ``idx``, or those of its ``data_samples``). What the hook
    remembers is saved with checkpoints and taken up by a resumed run. What batch norms learnt
    of a bad batch is undone by a rollback alone.

    Parameters
    ----------
    action : {"skip", "lower_lr", "rollback", "stop"}, default "skip"
        What to do.
    sigma_factor : float, optional
        From how many standard deviations on a loss is a spike; by default none is.
    rolling_interval_length : int, default 128
        Losses that a spike is told by; half as many must be there.
    interval : int, default 10
        Iterations of an epoch between two readings; best the same as the logger's.
    lr_factor : float, default 0.5
        For ``"lower_lr"``.
    max_in_row : int, default 10
        Bad iterations one after the other that end the run by `NonFiniteError`.
    max_rollbacks : int, default 3
        Rollbacks after which the next one ends the run.

    Raises
    ------
    ValueError
        If a parameter is none of these, or, when a run begins, if the optimizer wrapper has a
        ``non_finite`` of its own.
    TypeError
        When a run begins, if its optimizer wrapper is of another kind.
    """

    priority = "ABOVE_NORMAL"

    def __init__(
        self,
        action: Action = "skip",
        sigma_factor: float | None = None,
        rolling_interval_length: int = 128,
        interval: int = 10,
        lr_factor: float = 0.5,
        max_in_row: int = 10,
        max_rollbacks: int = 3,
    ) -> None:
        if action not in ACTIONS:
            raise ValueError(f"action must be one of {', '.join(ACTIONS)}, got {action!r}")
        if not 0 < lr_factor < 1:
            raise ValueError(f"lr_factor must be between 0 and 1, got {lr_factor!r}")
        if sigma_factor is not None and not sigma_factor > 0:
            raise ValueError(f"sigma_factor must be above 0, got {sigma_factor!r}")
        counts = {
            "rolling_interval_length": rolling_interval_length, "interval": interval,
            "max_in_row": max_in_row,
        }  # fmt: skip
        for name, value in counts.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.interval = interval
        self.lr_factor = lr_factor
        self._rolling_settings = (rolling_interval_length, sigma_factor)
        self._steps = BadSteps(action, max_in_row, max_rollbacks)
        self._guards: dict[str, LossGuard] = {}
        self._samples: dict[int, list[int] | Tensor] = {}
        self._readings: list[Reading] = []
        self._good_checkpoint: str | None = None
        self._resumed: dict[str, Any] = {}

    # ------------------------------------------------------------- the guards

    def before_run(self, runner: RunnerT) -> None:
        """Put a guard into each optimizer wrapper, for as long as training runs."""
        if runner.optim_wrapper is None:
            return
        wrappers = _wrappers(runner.optim_wrapper)
        for name, wrapper in wrappers.items():
            _check_wrapper(name, wrapper)
        around_loops(runner, self, lambda: self._guarding(wrappers), names=["train_loop"])

    @contextmanager
    def _guarding(self, wrappers: dict[str, OptimWrapper]) -> Iterator[None]:
        self._guards = {
            name: LossGuard(RollingLoss(*self._rolling_settings), overflows=_overflows(wrapper))
            for name, wrapper in wrappers.items()
        }
        for name, wrapper in wrappers.items():
            wrapper.guard = self._guards[name]
            self._guards[name].on_read = self._readings.append
        try:
            yield
        finally:
            for name, wrapper in wrappers.items():
                self._guards[name].release(wrapper.optimizer)
                wrapper.guard = None

    def before_train(self, runner: RunnerT) -> None:
        """Take up what a resumed run remembered."""
        self._samples.clear()
        self._readings.clear()
        state, self._resumed = self._resumed, {}
        for name, guard in self._guards.items():
            guard.rolling.load_state_dict(state.get("rolling", {}).get(name, {}))
        for iterations, bad in state.get("unread", ()):
            self._readings.append(Reading(iterations, set(bad), set()))
        self._good_checkpoint = runner.message_hub.get_info("last_ckpt")

    def before_train_iter(self, runner: RunnerT, batch_idx: int, data_batch: Any = None) -> None:
        """Tell the guards which iteration it is, and keep the numbers of its samples."""
        iteration = runner.iter + 1
        for guard in self._guards.values():
            guard.iteration = iteration
        indices = sample_indices(data_batch)
        if indices is not None:
            self._samples[iteration] = indices

    # ------------------------------------------------------------ the readings

    @acting(lambda hook, runner: Every(hook.interval, "batch", last=True))
    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Read the flags where it is due, and act on them."""
        if self.every_n_inner_iters(batch_idx, self.interval) or self.is_last_train_iter(runner):
            self._read(runner)

    def after_train_epoch(self, runner: RunnerT) -> None:
        """Read what is left of the epoch."""
        self._read(runner)

    def state_dict(self) -> dict[str, Any]:
        """Return the counts, the losses that spikes are told by, and what is to be acted on yet."""
        rolling = {name: guard.rolling.state_dict() for name, guard in self._guards.items()}
        unread = [[reading.iterations, sorted(reading.bad)] for reading in self._readings]
        return {**self._steps.state_dict(), "rolling": rolling, "unread": unread}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state when training begins."""
        self._steps.load_state_dict(state)
        self._resumed = state

    def _read(self, runner: RunnerT) -> None:
        for guard in self._guards.values():
            guard.flush()
        readings = self._readings.copy()
        self._readings.clear()
        iterations = {i for reading in readings for i in reading.iterations}
        bad = {i for reading in readings for i in reading.bad}
        action = self._steps.decide(iterations, bad)
        if action is None:
            self._good_checkpoint = runner.message_hub.get_info("last_ckpt")
        else:
            own = {i for reading in readings for i in reading.own}
            self._tell(sorted(bad), sorted(own), action, runner.rank)
            self._act(runner, action, sorted(bad))
        self._samples.clear()

    def _tell(self, bad: list[int], own: list[int], action: Action, rank: int) -> None:
        logger.warning(
            "left out the steps of iterations %s, whose loss or gradients are infinite, no number "
            "or a spike (%d in a row, %d in all); action: %s",
            bad, self._steps.in_row, self._steps.total, action,
        )  # fmt: skip
        for iteration in own:
            samples = self._samples.get(iteration)
            if isinstance(samples, Tensor):
                samples = samples.tolist()
            if samples is not None:
                logger.warning(
                    "the bad loss of iteration %d is of rank %d, samples %s",
                    iteration, rank, samples,
                )  # fmt: skip

    # -------------------------------------------------------------- the actions

    def _act(self, runner: RunnerT, action: Action, bad: list[int]) -> None:
        if action == "stop":
            raise NonFiniteError(
                f"the loss or the gradients of iterations {bad} are infinite, no number or a spike; "
                "their steps were left out. Lower the learning rate, clip the gradients or look at "
                "the samples that the log names; NonFiniteHook's action, max_in_row and "
                "max_rollbacks say when a run ends"
            )
        if action == "lower_lr":
            self._lower_rates(runner)
        elif action == "rollback":
            self._roll_back(runner)

    def _lower_rates(self, runner: RunnerT) -> None:
        for wrapper in _wrappers(runner.optim_wrapper).values():
            for group in wrapper.param_groups:
                if isinstance(group["lr"], Tensor):  # a capturable optimizer reads it in place
                    group["lr"].mul_(self.lr_factor)
                else:
                    group["lr"] *= self.lr_factor
        logger.warning("multiplied the learning rates by %g", self.lr_factor)

    def _roll_back(self, runner: Any) -> None:
        path = self._good_checkpoint
        if path is None or not Path(path).exists():  # it may have made room for newer ones
            path = find_latest_checkpoint(runner.work_dir)
        if path is None:
            logger.warning(
                "there is no checkpoint yet to go back to: the steps were left out alone"
            )
            return
        before, runner._resume = runner._resume, True  # hooks see that it is no mere loading
        try:
            state = runner.load_checkpoint(path, strict=True)
        finally:
            runner._resume = before
        if "optimizer" in state:
            _load_optimizer(runner.optim_wrapper, state["optimizer"])
        logger.warning(
            "went back to the weights of %s (%d of %d times); the data goes on",
            path, self._steps.rollbacks, self._steps.max_rollbacks,
        )  # fmt: skip


def _load_optimizer(wrapper: Any, state: dict[str, Any]) -> None:
    """Load an optimizer's state, but leave the settings that schedules have set meanwhile."""
    settings = [
        {key: value for key, value in group.items() if key != "params"}
        for group in wrapper.param_groups
    ]
    wrapper.load_state_dict(state)
    for group, kept in zip(wrapper.param_groups, settings, strict=True):
        group.update(kept)


def _wrappers(wrapper: Any) -> dict[str, Any]:
    return dict(wrapper.items()) if isinstance(wrapper, OptimWrapperDict) else {"": wrapper}


def _overflows(wrapper: Any) -> bool:
    scaler = getattr(wrapper, "loss_scaler", None)
    return isinstance(scaler, torch.amp.GradScaler) and scaler.is_enabled()


def _check_wrapper(name: str, wrapper: Any) -> None:
    where = f"optim_wrapper.{name}" if name else "optim_wrapper"
    if not isinstance(wrapper, OptimWrapper):
        raise TypeError(
            f"NonFiniteHook guards an OptimWrapper; {where} is a {type(wrapper).__name__}, whose "
            "steps it cannot leave out"
        )
    if wrapper.guard is not None:
        raise ValueError(
            f"{where} has non_finite={wrapper.guard.policy!r} of its own; leave one of the two out: "
            "that, or NonFiniteHook"
        )
