"""From a model and a configuration to an optimizer in its wrapper."""

from engine_optim.construction.builder import build_optim_wrapper
from engine_optim.construction.default_constructor import DefaultOptimWrapperConstructor

__all__ = ["DefaultOptimWrapperConstructor", "build_optim_wrapper"]
