"""Training, validation and test runs composed from a configuration, on PyTorch."""

from engine_runner.base_runner import BaseRunner
from engine_runner.hooks import Priority, get_priority
from engine_runner.logging import LogProcessor
from engine_runner.loops import (
    BaseLoop,
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    TestLoop,
    ValLoop,
)
from engine_runner.phases import Phases
from engine_runner.runner import Runner

__version__ = "0.1.0"

__all__ = [
    "BaseLoop",
    "BaseRunner",
    "EpochBasedTrainLoop",
    "IterBasedTrainLoop",
    "LogProcessor",
    "Phases",
    "Priority",
    "Runner",
    "TestLoop",
    "ValLoop",
    "__version__",
    "get_priority",
]
