"""Optimizer wrappers: all that happens to a parameter between its loss and its new value."""

from engine_optim.wrappers.amp import AmpOptimWrapper
from engine_optim.wrappers.apex import ApexOptimWrapper
from engine_optim.wrappers.base import BaseOptimWrapper, ScalarSink
from engine_optim.wrappers.colossalai import ColossalAIOptimWrapper
from engine_optim.wrappers.deepspeed import DeepSpeedOptimWrapper
from engine_optim.wrappers.guard import NonFiniteGuard
from engine_optim.wrappers.optim_wrapper import OptimWrapper
from engine_optim.wrappers.wrapper_dict import OptimWrapperDict

__all__ = [
    "AmpOptimWrapper",
    "ApexOptimWrapper",
    "BaseOptimWrapper",
    "ColossalAIOptimWrapper",
    "DeepSpeedOptimWrapper",
    "NonFiniteGuard",
    "OptimWrapper",
    "OptimWrapperDict",
    "ScalarSink",
]
