"""The optimizers that can be named, and the way from a configuration to a wrapper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from engine_optim.construction import third_party
from engine_optim.wrappers import BaseOptimWrapper
from engine_registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS, guard

__all__ = ["build_optim_wrapper", "torch_optimizers"]


def torch_optimizers() -> dict[str, type[torch.optim.Optimizer]]:
    """Return every optimizer of the installed torch by its name."""
    return {
        name: value
        for name, value in vars(torch.optim).items()
        if isinstance(value, type)
        and issubclass(value, torch.optim.Optimizer)
        and value is not torch.optim.Optimizer
    }


for _name, _optimizer in torch_optimizers().items():
    OPTIMIZERS.register_module(name=_name, module=_optimizer)
third_party.register()


def build_optim_wrapper(model: nn.Module, cfg: Mapping[str, Any]) -> BaseOptimWrapper:
    """Build the optimizer of a model, in its wrapper.

    Parameters
    ----------
    model : nn.Module
        The model, wrapped or not.
    cfg : Mapping
        ``optimizer`` (its configuration), ``type`` of the wrapper (default ``OptimWrapper``)
        and its arguments, ``paramwise_cfg`` and ``constructor`` (default
        ``DefaultOptimWrapperConstructor``). It is not changed.

    Returns
    -------
    BaseOptimWrapper
        The wrapper; of several optimizers, where the constructor makes such, by name.

    Raises
    ------
    TypeError
        If ``cfg`` is no mapping.
    RefusedNameError
        If ``cfg`` is not trusted and names what is not registered.
    """
    if not isinstance(cfg, Mapping):
        raise TypeError(
            "optim_wrapper must be an optimizer wrapper, an optimizer or a config with "
            f"'optimizer', got {type(cfg).__name__}"
        )
    settings = dict(cfg.items())
    with guard(cfg):
        constructor: Any = OPTIM_WRAPPER_CONSTRUCTORS.build(
            {
                "type": settings.pop("constructor", "DefaultOptimWrapperConstructor"),
                "paramwise_cfg": settings.pop("paramwise_cfg", None),
                "optim_wrapper_cfg": settings,
            }
        )
        wrapper: BaseOptimWrapper = constructor(model)
    return wrapper
