"""From a model and a configuration to an optimizer in its wrapper."""

from engine_optim.construction.builder import build_optim_wrapper
from engine_optim.construction.default_constructor import DefaultOptimWrapperConstructor
from engine_optim.construction.groups import param_table
from engine_optim.construction.zero import ZeroRedundancyOptimizer

__all__ = [
    "DefaultOptimWrapperConstructor",
    "ZeroRedundancyOptimizer",
    "build_optim_wrapper",
    "param_table",
]
