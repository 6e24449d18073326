"""Strategies: where models live, one variant a file."""

from engine_dist.strategies.colossalai import ColossalAIStrategy
from engine_dist.strategies.ddp import DDPStrategy
from engine_dist.strategies.deepspeed import DeepSpeedStrategy
from engine_dist.strategies.fsdp import FSDPStrategy
from engine_dist.strategies.single_device import SingleDeviceStrategy
from engine_dist.strategies.strategy import Prepared, Strategy
from engine_dist.strategies.zero1 import ZeRO1Strategy

__all__ = [
    "ColossalAIStrategy",
    "DDPStrategy",
    "DeepSpeedStrategy",
    "FSDPStrategy",
    "Prepared",
    "SingleDeviceStrategy",
    "Strategy",
    "ZeRO1Strategy",
]
