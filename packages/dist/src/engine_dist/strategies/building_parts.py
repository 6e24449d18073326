"""The parts that a strategy builds where it is used as MMEngine's, without a runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import torch
from torch import nn

from engine_dist.ranks import get_world_size
from engine_registry import OPTIM_WRAPPER_CONSTRUCTORS, PARAM_SCHEDULERS, guard

__all__ = ["compiled", "optim_wrapper_of", "scale_rates", "schedulers_of", "with_type"]


def optim_wrapper_of(model: nn.Module, value: Any) -> Any:
    """Return an optimizer wrapper, or several, from one or from a configuration.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if hasattr(value, "update_params"):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(
            "optim_wrapper must be an optimizer wrapper or a config with 'optimizer', got "
            f"{type(value).__name__}"
        )
    settings = dict(value.items())
    with guard(value):
        constructor: Any = OPTIM_WRAPPER_CONSTRUCTORS.build(
            {
                "type": settings.pop("constructor", "DefaultOptimWrapperConstructor"),
                "paramwise_cfg": settings.pop("paramwise_cfg", None),
                "optim_wrapper_cfg": settings,
            }
        )
        return constructor(model)


def with_type(value: Any, needed: str | None) -> Any:
    """Return the settings of an optimizer wrapper; without a type, of the one that is needed."""
    if needed is None or not isinstance(value, Mapping):
        return value
    if "type" in value or "optimizer" not in value:  # the latter are several, by name
        return value
    settings: Any = copy(value)  # a copy knows, as the original, where it was written
    settings["type"] = needed
    return settings


def schedulers_of(value: Any, wrapper: Any, length: Mapping[str, Any]) -> Any:
    """Return schedules: a list, or of several optimizers such by name.

    Parameters
    ----------
    value
        One, several, or their configurations; of several optimizers also by name.
    wrapper
        The optimizer wrapper.
    length : Mapping
        ``epoch_length``, ``max_epochs``, ``max_iters``, as far as they are known.
    """
    several = getattr(wrapper, "optim_wrappers", None)
    if several is not None:
        by_name = value if isinstance(value, Mapping) and "type" not in value else None
        return {
            name: schedulers_of(value if by_name is None else by_name.get(name), own, length)
            for name, own in several.items()
        }
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return [_scheduler_of(item, wrapper, length) for item in items if item is not None]


def _scheduler_of(value: Any, wrapper: Any, length: Mapping[str, Any]) -> Any:
    if not isinstance(value, Mapping):
        if not hasattr(value, "step"):
            raise TypeError(
                f"a parameter scheduler is a config with 'type' or has a step(), got "
                f"{type(value).__name__}"
            )
        return value
    made = {"optimizer": wrapper, "epoch_length": length.get("epoch_length")}
    if "end" not in value:
        needed = "max_epochs" if value.get("by_epoch", True) else "max_iters"
        if length.get(needed) is None:
            raise ValueError(
                f"a parameter scheduler without 'end' runs to the end of training: {needed} must "
                "be specified in default_args, or in dispatch_kwargs of prepare"
            )
        made["end"] = length[needed]
    return PARAM_SCHEDULERS.build(value, default_args=made)


def scale_rates(wrapper: Any, scale: Mapping[str, Any] | None, batch_size: int | None) -> None:
    """Scale learning rates by the samples of a step to ``scale['base_batch_size']``.

    Raises
    ------
    ValueError
        If ``base_batch_size`` is missing, or the samples of a batch are not known.
    """
    if not scale or not scale.get("enable", False):
        return
    if "base_batch_size" not in scale or batch_size is None:
        raise ValueError(
            "auto_scale_lr needs base_batch_size, and train_micro_batch_size_per_gpu, the samples "
            "of a batch of one process, in dispatch_kwargs of prepare"
        )
    ratio = get_world_size() * batch_size / scale["base_batch_size"]
    several = getattr(wrapper, "optim_wrappers", None)
    for own in (wrapper,) if several is None else several.values():
        for group in own.param_groups:
            group["lr"] *= ratio
            if "initial_lr" in group:
                group["initial_lr"] *= ratio


def compiled(model: nn.Module, options: bool | Mapping[str, Any]) -> nn.Module:
    """Let torch compile a method of a model, ``target`` of the options; by default ``forward``."""
    if options is False or options is None:
        return model
    settings = dict(options) if isinstance(options, Mapping) else {}
    target = settings.pop("target", "forward")
    setattr(model, target, torch.compile(getattr(model, target), **settings))
    return model
