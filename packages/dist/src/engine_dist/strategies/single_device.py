"""One process, one device."""

from __future__ import annotations

from torch import nn

from engine_dist.strategies.strategy import Strategy
from engine_registry import STRATEGIES

__all__ = ["SingleDeviceStrategy"]


@STRATEGIES.register_module()
class SingleDeviceStrategy(Strategy):
    """Train on one device, without any wrapper."""

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model as it is."""
        return model
