"""A wrapper for an optimizer that ColossalAI's booster drives; the library is not imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from engine_optim.wrappers.optim_wrapper import OptimWrapper
from engine_registry import OPTIM_WRAPPERS

__all__ = ["ColossalAIOptimWrapper"]


@OPTIM_WRAPPERS.register_module()
class ColossalAIOptimWrapper(OptimWrapper):
    """Hand losses to a booster's ``backward``; accumulate without exchange where it can.

    Parameters
    ----------
    optimizer
        The optimizer, before or after the booster wrapped it.
    booster
        An object with ``backward(loss, optimizer)``; set it as an attribute once it exists.
    accumulative_counts
        Number of losses whose gradients make one step.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        booster: Any = None,
        accumulative_counts: int = 1,
    ) -> None:
        super().__init__(optimizer, accumulative_counts)
        self.booster = booster

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Run forward and backward in it: gradients are exchanged only when a step follows."""
        self.watch(model)
        plugin = getattr(self.booster, "plugin", None)
        if self.should_sync() or not hasattr(plugin, "no_sync"):
            yield
        else:
            with self.booster.no_sync(model, self.optimizer):
                yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Let the booster compute gradients; without one, do it as usual."""
        if self.booster is None:
            super().backward(loss, **kwargs)
            return
        self._inner_count += 1
        self.booster.backward(loss, self.optimizer)
