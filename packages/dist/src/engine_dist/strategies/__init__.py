"""Strategies: where models live, one variant a file."""

from engine_dist.strategies.ddp import DDPStrategy
from engine_dist.strategies.single_device import SingleDeviceStrategy
from engine_dist.strategies.strategy import Prepared, Strategy

__all__ = ["DDPStrategy", "Prepared", "SingleDeviceStrategy", "Strategy"]
