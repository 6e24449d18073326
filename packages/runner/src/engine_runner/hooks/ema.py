"""Averaged weights beside the trained ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist.checkpoint import CorruptCheckpointError, get_state_dict, load_state_dict
from engine_dist.checkpoint.rank_buffers import gather_buffers, put_buffers
from engine_dist.deepspeed_library import full_parameters
from engine_dist.flat_parameters import as_runs
from engine_dist.wrappers import unwrap
from engine_optim import BaseAveragedModel
from engine_registry import HOOKS, MODELS
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerLike

__all__ = ["EMAHook"]

# what a state of the average puts before each name of the model's
_PREFIX = "module."
# where the average's buffers are that are not the same on all ranks
_BUFFERS = "ema_rank_buffers"


@HOOKS.register_module()
class EMAHook(Hook):
    """Average the weights as they are trained; validate, test and save with the average.

    A checkpoint holds the averaged weights as ``state_dict``, and as ``ema_state_dict`` the trained
    ones, which a resumed run goes on with.

    Parameters
    ----------
    ema_type : str, default "ExponentialMovingAverage"
        What averages: a registered `BaseAveragedModel`.
    strict_load : bool, default False
        Refuse to resume from averaged weights that do not fit in all.
    begin_iter, begin_epoch : int, default 0
        The first iteration or epoch, counted from 1, that is averaged; by one of the two. Before,
        the average is the model.
    **kwargs
        For the average: ``momentum``, ``interval``, ``update_buffers``, …

    Raises
    ------
    ValueError
        If both ``begin_iter`` and ``begin_epoch`` are given, or one is negative.
    TypeError
        If ``ema_type`` names something else.
    """

    priority = "NORMAL"

    def __init__(
        self,
        ema_type: str = "ExponentialMovingAverage",
        strict_load: bool = False,
        begin_iter: int = 0,
        begin_epoch: int = 0,
        **kwargs: Any,
    ) -> None:
        if min(begin_iter, begin_epoch) < 0 or (begin_iter and begin_epoch):
            raise ValueError(
                "averaging begins by begin_iter or by begin_epoch, neither negative; got "
                f"begin_iter={begin_iter}, begin_epoch={begin_epoch}"
            )
        # found here, where it is known what the configuration may name
        kind: Any = MODELS.resolve(ema_type)
        if not (isinstance(kind, type) and issubclass(kind, BaseAveragedModel)):
            raise TypeError(f"ema_type={ema_type!r} is no BaseAveragedModel, but {kind!r}")
        self._kind = kind
        self._settings = kwargs
        self.strict_load = strict_load
        self.begin_iter = begin_iter
        self.begin_epoch = begin_epoch
        self._swapped = False
        self._average: BaseAveragedModel | None = None

    @property
    def ema_model(self) -> BaseAveragedModel:
        """The average; there once a run has begun."""
        if self._average is None:
            raise RuntimeError("there is no average before a run begins")
        return self._average

    def before_run(self, runner: RunnerLike) -> None:
        """Make the average, of a model that is in its place."""
        if self._average is None:
            self._average = self._kind(unwrap(runner.model), **self._settings)

    def before_train(self, runner: RunnerLike) -> None:
        """Refuse an average that would not begin.

        Raises
        ------
        ValueError
        """
        for name, begin, end in (
            ("begin_iter", self.begin_iter, runner.max_iters),
            ("begin_epoch", self.begin_epoch, runner.max_epochs),
        ):
            if begin > end:
                raise ValueError(f"{name}={begin} is behind the end of the training, {end}")

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Take the new weights into account."""
        model = unwrap(runner.model)
        if runner.iter + 1 >= self.begin_iter and runner.epoch + 1 >= self.begin_epoch:
            self.ema_model.update_parameters(model)
        else:
            _copy(self.ema_model.module, model)

    def before_val_epoch(self, runner: RunnerLike) -> None:
        """Put the averaged weights in."""
        self._swap(runner)

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        """Put the trained weights back."""
        self._swap(runner)

    def before_test_epoch(self, runner: RunnerLike) -> None:
        """Put the averaged weights in."""
        self._swap(runner)

    def after_test_epoch(
        self, runner: RunnerLike, metrics: dict[str, float] | None = None
    ) -> None:
        """Put the trained weights back."""
        self._swap(runner)

    def before_save_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
        """Let the averaged weights be those of the checkpoint, and keep the trained ones beside."""
        state = get_state_dict(self.ema_model)  # the model's names, whatever wraps its parts
        checkpoint["ema_state_dict"] = state
        other = gather_buffers(self.ema_model.module)
        if not self._swapped:
            _exchange(checkpoint)
        else:
            other, checkpoint["rank_buffers"] = checkpoint.pop("rank_buffers", None), other
        checkpoint[_BUFFERS] = other
        for key in (_BUFFERS, "rank_buffers"):
            if checkpoint.get(key, ...) is None:
                del checkpoint[key]

    def after_load_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
        """Take the average up; a resumed run trains on with the trained weights."""
        self.before_run(runner)  # a checkpoint may be loaded by hand, before the run begins
        if "ema_state_dict" not in checkpoint:
            weights = checkpoint.get("state_dict", checkpoint)
            load_state_dict(self.ema_model.module, weights, strict=self.strict_load)
        elif getattr(runner, "_resume", False):
            _exchange(checkpoint)
            state = checkpoint["ema_state_dict"]
            load_state_dict(self.ema_model, state, strict=self.strict_load)
            put_buffers(self.ema_model.module, checkpoint.get(_BUFFERS))
        else:
            load_state_dict(
                self.ema_model.module, checkpoint["state_dict"], strict=self.strict_load
            )

    @torch.no_grad()
    def _swap(self, runner: RunnerLike) -> None:
        model = unwrap(runner.model)
        # what ZeRO-3 has split is put together; the main process' changes are then everyone's
        with full_parameters(list(model.parameters()), modifier_rank=0):
            for mine, other in _pairs(self.ema_model.module, model):
                kept = mine.clone()
                mine.copy_(other)
                other.copy_(kept)
        self._swapped = not self._swapped


def _pairs(one: nn.Module, other: nn.Module) -> list[tuple[Tensor, Tensor]]:
    with as_runs():  # those that are here: a copy of them would change nothing
        return list(zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@torch.no_grad()
def _copy(target: nn.Module, source: nn.Module) -> None:
    with full_parameters(list(source.parameters())):
        for into, value in _pairs(target, source):
            into.copy_(value)


def _exchange(checkpoint: dict[str, Any]) -> None:
    """Exchange the weights of a checkpoint and those of its average, under the names of each."""
    weights, averaged = checkpoint["state_dict"], checkpoint["ema_state_dict"]
    if not isinstance(averaged, Mapping) or any(_PREFIX + key not in averaged for key in weights):
        raise CorruptCheckpointError(
            "the checkpoint's ema_state_dict must hold, with 'module.' before each name, all that "
            f"its state_dict holds; got {averaged!r:.80}; nothing was loaded. Go on without EMAHook"
        )
    checkpoint["state_dict"] = {key: averaged[_PREFIX + key] for key in weights}
    checkpoint["ema_state_dict"] = {
        **averaged, **{_PREFIX + key: value for key, value in weights.items()}
    }  # fmt: skip
