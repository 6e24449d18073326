"""Strategies: where models live, one variant a file."""

from engine_dist.strategies.colossalai import ColossalAIStrategy
from engine_dist.strategies.ddp import DDPStrategy
from engine_dist.strategies.deepspeed import DeepSpeedStrategy
from engine_dist.strategies.fsdp import FSDPStrategy
from engine_dist.strategies.fsdp1 import FSDP1Strategy
from engine_dist.strategies.single_device import SingleDeviceStrategy
from engine_dist.strategies.strategy import Prepared, Strategy
from engine_dist.strategies.surface import BaseStrategy
from engine_dist.strategies.tensor_parallel import TensorParallelStrategy
from engine_dist.strategies.zero1 import ZeRO1Strategy

__all__ = [
    "BaseStrategy",
    "ColossalAIStrategy",
    "DDPStrategy",
    "DeepSpeedStrategy",
    "FSDP1Strategy",
    "FSDPStrategy",
    "Prepared",
    "SingleDeviceStrategy",
    "Strategy",
    "TensorParallelStrategy",
    "ZeRO1Strategy",
]
