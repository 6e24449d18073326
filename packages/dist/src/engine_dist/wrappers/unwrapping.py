"""Telling a wrapper from the module that it wraps."""

from __future__ import annotations

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from engine_dist.flat_parameters import is_fully_sharded
from engine_registry import MODEL_WRAPPERS, Registry

__all__ = ["is_model_wrapper", "unwrap"]


def is_model_wrapper(model: nn.Module, registry: Registry[nn.Module] = MODEL_WRAPPERS) -> bool:
    """Tell whether ``model`` is a wrapper of torch's or one that ``registry`` or its children hold."""
    if isinstance(model, (DataParallel, DistributedDataParallel)) or is_fully_sharded(model):
        return True
    if any(
        isinstance(entry, type) and isinstance(model, entry)
        for entry in registry.module_dict.values()
    ):
        return True
    return any(is_model_wrapper(model, child) for child in registry.children.values())


def unwrap(model: nn.Module) -> nn.Module:
    """Return the user's module inside of any model wrappers."""
    while is_model_wrapper(model):
        inner = model.module
        if not isinstance(inner, nn.Module):
            raise TypeError(f"{type(model).__name__}.module is no nn.Module")
        model = inner
    return model
