"""Averages of a model's weights over its training."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist.deepspeed_library import full_parameters, is_split
from engine_dist.flat_parameters import (
    is_fully_sharded,
    keep_state,
    mark_runs,
    run_of,
    states_whole,
)
from engine_optim.errors import OptimError
from engine_optim.followed_tensors import FollowedTensors, Pairs
from engine_registry import MODELS

__all__ = [
    "BaseAveragedModel",
    "ExponentialMovingAverage",
    "MomentumAnnealingEMA",
    "StochasticWeightAverage",
]

logger = logging.getLogger("engine.optim")

# one for every step: it holds nothing
_NOTHING = nullcontext()


class BaseAveragedModel(nn.Module):
    """A copy of a model whose weights follow the model's, as `avg_func` says.

    Parameters
    ----------
    model : nn.Module
        The model; sharded parameters (DTensor) are averaged shard by shard, those that ZeRO-3 has
        split are put together for it, so that each process has the average whole. The copy of a model
        that ``fully_shard`` has sharded is no FSDP module itself: its weights are there to be
        swapped in and saved.
    interval : int
        At every how many calls of `update_parameters` the average is updated.
    device : torch.device, optional
        Where the copy lives; with the model if not given.
    update_buffers : bool
        Whether buffers are averaged; otherwise they are copied at every call.
    """

    steps: Tensor

    def __init__(
        self,
        model: nn.Module,
        interval: int = 1,
        device: torch.device | None = None,
        update_buffers: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
            raise OptimError(f"interval must be a positive number of steps, got {interval!r}")
        self.module = _copy(model).requires_grad_(False)
        self.interval = interval
        self.register_buffer("steps", torch.tensor(0, dtype=torch.long))
        if device is not None:
            self.to(device)
        self.update_buffers = update_buffers
        self._gathers = any(is_split(p) for p in model.parameters())
        # the value of `steps`, so as not to wait for its device; None: it was loaded
        self._done: int | None = 0
        self._tensors: FollowedTensors | None = None

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: Tensor) -> None:
        """Update one average in place.

        Parameters
        ----------
        averaged_param, source_param
            Of one shape and type, on one device; of sharded parameters, this rank's shards.
        steps
            Number of calls of `update_parameters` before.
        """
        raise NotImplementedError(f"{type(self).__name__} must define avg_func")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the averaged model."""
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the model's weights of now into account.

        Raises
        ------
        OptimError
            If its parameters are not those that were copied.
        """
        done = int(self.steps) if self._done is None else self._done
        with full_parameters(list(model.parameters())) if self._gathers else _NOTHING:
            self._follow(self._tensors_with(model).pairs(), done)
        self.steps.add_(1)
        self._done = done + 1

    def _follow(self, pairs: Pairs, done: int) -> None:
        if not pairs.averages:  # a model may have none; its buffers are followed all the same
            pass
        elif done == 0:
            torch._foreach_copy_(pairs.averages, pairs.sources)
        elif done % self.interval == 0:
            self._average(pairs.averages, pairs.like_averages(), done)
        if pairs.copies:
            torch._foreach_copy_(pairs.copies, pairs.origins)

    def _tensors_with(self, model: nn.Module) -> FollowedTensors:
        if self._tensors is None or not self._tensors.are_of(
            self.module, model, self.update_buffers
        ):
            self._tensors = FollowedTensors(self.module, model, self.update_buffers)
        return self._tensors

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy of this holds: not the tensors of the model that is followed."""
        return {**self.__dict__, "_tensors": None}

    def _average(self, averaged: list[Tensor], source: list[Tensor], done: int) -> None:
        for old, new in zip(averaged, source, strict=True):
            self.avg_func(old, new, self.steps)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._done = None


class _Interpolated(BaseAveragedModel):
    """An average that goes a share of the way to the model's weights."""

    def share(self, steps: int) -> float:
        """Return which share, after that many calls."""
        raise NotImplementedError

    def avg_func(self, averaged_param: Tensor, source_param: Tensor, steps: Tensor) -> None:
        """Go the share of the way, in place."""
        averaged_param.lerp_(source_param, self.share(int(steps)))

    def _average(self, averaged: list[Tensor], source: list[Tensor], done: int) -> None:
        # found on the class: what a subclass or a user put in its place is called
        if getattr(self.avg_func, "__func__", None) is _Interpolated.avg_func:
            torch._foreach_lerp_(averaged, source, self.share(done))
        else:
            super()._average(averaged, source, done)


@MODELS.register_module()
class StochasticWeightAverage(_Interpolated):
    """The mean of all weights so far (SWA, arXiv:1803.05407).

    Parameters as in `BaseAveragedModel`.

    Examples
    --------
    >>> model = nn.Linear(1, 1, bias=False)
    >>> mean = StochasticWeightAverage(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     _ = model.weight.data.fill_(value)
    ...     mean.update_parameters(model)
    >>> mean.module.weight.item()
    3.0
    """

    def share(self, steps: int) -> float:
        """Return one over the number of weights in the mean."""
        return 1 / (steps // self.interval + 1)


@MODELS.register_module()
class ExponentialMovingAverage(_Interpolated):
    """``(1 - momentum) * average + momentum * weights`` (EMA).

    Parameters
    ----------
    model, interval, device, update_buffers
        As in `BaseAveragedModel`.
    momentum : float
        The share of the weights of now, between 0 and 1.
    """

    def __init__(
        self,
        model: nn.Module,
        momentum: float = 0.0002,
        interval: int = 1,
        device: torch.device | None = None,
        update_buffers: bool = False,
    ) -> None:
        if not 0.0 < momentum < 1.0:
            raise OptimError(f"momentum must be in range (0.0, 1.0), but got {momentum}")
        if momentum > 0.5:
            logger.warning(
                "The momentum of an exponential moving average is usually small, such as 0.0002; "
                "got %s: did you mean %.6g?",
                momentum,
                1 - momentum,
            )
        super().__init__(model, interval, device, update_buffers)
        self.momentum = momentum

    def share(self, steps: int) -> float:
        """Return the momentum."""
        return self.momentum


@MODELS.register_module()
class MomentumAnnealingEMA(ExponentialMovingAverage):
    """`ExponentialMovingAverage` whose momentum falls from 1 as ``gamma / (gamma + steps)``.

    Parameters
    ----------
    model, momentum, interval, device, update_buffers
        As in `ExponentialMovingAverage`; the momentum falls no lower than the one given.
    gamma : int
        After how many steps it is a half.
    """

    def __init__(
        self,
        model: nn.Module,
        momentum: float = 0.0002,
        gamma: int = 100,
        interval: int = 1,
        device: torch.device | None = None,
        update_buffers: bool = False,
    ) -> None:
        super().__init__(model, momentum, interval, device, update_buffers)
        if gamma <= 0:
            raise OptimError(f"gamma must be greater than 0, but got {gamma}")
        self.gamma = gamma

    def share(self, steps: int) -> float:
        """Return the momentum of now."""
        return max(self.momentum, self.gamma / (self.gamma + steps))


# what FSDP and DeepSpeed's engine leave in a module
_MACHINERY = (
    "__composable_api_state", "_is_fsdp_managed_module", "_fsdp_use_orig_params", "_external_params", "_original_parameters", "ds_", "_ds_",
    "pre_bwd_fn", "post_bwd_fn", "all_parameters", "applied_pre_backward_ref_cnt",
)  # fmt: skip


def _copy(model: nn.Module) -> nn.Module:
    """Return a deep copy; of modules that are FSDP's or an engine's, without its hooks and state."""
    if any(is_fully_sharded(m) or any(map(run_of, m.parameters(False))) for m in model.modules()):
        copy = _bare_copy(model, {})
        keep_state(copy, states_whole(model))
        return copy
    sharded = any(hasattr(m, "set_requires_gradient_sync") for m in model.modules())
    parameters = list(model.parameters())
    if not sharded and not any(is_split(p) for p in parameters):
        return deepcopy(model)
    with full_parameters(parameters):
        return _bare_copy(model, {})


def _bare_copy(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    while is_fully_sharded(module):
        module = module._fsdp_wrapped_module  # type: ignore[assignment]  # torch's
    kind = type(module)
    if hasattr(module, "set_requires_gradient_sync"):
        kind = kind.__bases__[-1]  # the class that ``fully_shard`` derived from
    copy = kind.__new__(kind)
    nn.Module.__init__(copy)
    # hooks, the tables of what is copied below, and a way of running the module that is of it alone
    machinery = {*copy.__dict__, "forward"}
    for name, value in module.__dict__.items():
        if name not in machinery and not name.startswith(_MACHINERY):
            copy.__dict__[name] = deepcopy(value, memo)
    copy.training = module.training
    for name, param in module._parameters.items():
        if param is not None and id(param) not in memo:
            memo[id(param)] = nn.Parameter(param.detach().clone())
            mark_runs([(memo[id(param)], run_of(param))])
        copy.register_parameter(name, memo.get(id(param)))
    for name, buffer in module._buffers.items():
        persistent = name not in module._non_persistent_buffers_set
        copy.register_buffer(name, None if buffer is None else buffer.clone(), persistent)
    for name, child in module._modules.items():
        copy.add_module(name, None if child is None else _bare_copy(child, memo))
    return copy
