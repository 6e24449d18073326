"""Wrappers that a configuration names, and whose class is imported when one is made."""

from __future__ import annotations

from typing import Any

from torch import nn

from engine_registry import MODEL_WRAPPERS

__all__ = ["fully_sharded"]


@MODEL_WRAPPERS.register_module(name="MMFullyShardedDataParallel")
def fully_sharded(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    """Make one: its class takes this name over once it is there."""
    from engine_dist.wrappers.fully_sharded import MMFullyShardedDataParallel

    return MMFullyShardedDataParallel(module, *args, **kwargs)
