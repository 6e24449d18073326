"""Hooks: what happens around the steps of a loop, one concern a file."""

from engine_runner.hooks.best import BestScore
from engine_runner.hooks.checkpoint import CheckpointHook
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.iter_timer import IterTimerHook
from engine_runner.hooks.logger import LoggerHook
from engine_runner.hooks.param_scheduler import ParamSchedulerHook
from engine_runner.hooks.priority import Priority, get_priority
from engine_runner.hooks.progress import ProgressHook
from engine_runner.hooks.protocol import RunnerLike
from engine_runner.hooks.retention import Retention
from engine_runner.hooks.runtime_info import RuntimeInfoHook
from engine_runner.hooks.sampler_seed import DistSamplerSeedHook

__all__ = [
    "BestScore",
    "CheckpointHook",
    "DistSamplerSeedHook",
    "Hook",
    "IterTimerHook",
    "LoggerHook",
    "ParamSchedulerHook",
    "Priority",
    "ProgressHook",
    "Retention",
    "RunnerLike",
    "RuntimeInfoHook",
    "get_priority",
]
