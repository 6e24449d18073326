"""What changes the parameters."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from engine_dist import data_parallel
from engine_optim import BaseOptimWrapper, OptimWrapper, OptimWrapperDict, build_optim_wrapper

__all__ = ["as_optim_wrapper", "scale_lr", "tell_counts"]

logger = logging.getLogger("engine.runner")


def as_optim_wrapper(model: nn.Module, value: Any) -> BaseOptimWrapper | OptimWrapperDict:
    """Return an optimizer wrapper from one, from an optimizer, or from a configuration."""
    if isinstance(value, (BaseOptimWrapper, OptimWrapperDict)):
        return value
    if isinstance(value, Optimizer):
        return OptimWrapper(optimizer=value)
    return build_optim_wrapper(model, value)


def scale_lr(wrapper: Any, scale: Mapping[str, Any] | None, batch_size: Any) -> None:
    """Scale the learning rates of a wrapper by the samples of a step to ``base_batch_size``.

    Parameters
    ----------
    wrapper
        An optimizer wrapper; ``initial_lr``, where a group has it, is scaled alike.
    scale : Mapping, optional
        ``enable``, without which nothing is done, and ``base_batch_size``.
    batch_size : callable
        Returns the samples of a batch of one process.

    Raises
    ------
    KeyError
        If ``base_batch_size`` is missing.
    """
    if not scale or not scale.get("enable", False):
        return
    if "base_batch_size" not in scale:
        raise KeyError(
            "auto_scale_lr lacks base_batch_size: the samples of a step that the learning rate is "
            "meant for"
        )
    batch = data_parallel().size * int(batch_size())
    ratio = batch / scale["base_batch_size"]
    logger.info("learning rates are scaled by %g: %d samples a step", ratio, batch)
    for group in _groups(wrapper):
        group["lr"] *= ratio
        if "initial_lr" in group:
            group["initial_lr"] *= ratio


def tell_counts(wrapper: Any, model: nn.Module, loop: Any) -> None:
    """Tell a wrapper, before training, how many losses there were and will be.

    Of epochs, which end accumulations, only one is told that asks: others may have MMEngine's
    signature.
    """
    epochs = {}
    if getattr(wrapper, "close_at_epoch_end", False) and hasattr(loop, "epoch_length"):
        epochs = {"epoch_length": loop.epoch_length(), "epoch_done": loop.behind}
    wrapper.initialize_count_status(model, loop.iter, loop.max_iters, **epochs)


def _groups(wrapper: Any) -> list[dict[str, Any]]:
    """Return the parameter groups of one wrapper, of several, or of a bare optimizer."""
    groups = wrapper.param_groups
    if isinstance(groups, Mapping):
        return [group for own in groups.values() for group in own]
    return list(groups)
