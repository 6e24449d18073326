"""One process, one device."""

from __future__ import annotations

from engine_dist.strategies.strategy import Strategy
from engine_registry import STRATEGIES

__all__ = ["SingleDeviceStrategy"]


@STRATEGIES.register_module()
class SingleDeviceStrategy(Strategy):
    """Train on one device, without any wrapper."""
