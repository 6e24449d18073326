"""Hooks: what happens around the steps of a loop, one concern a file."""

from engine_runner.hooks.best import BestScore
from engine_runner.hooks.checkpoint import CheckpointHook
from engine_runner.hooks.early_stopping import EarlyStoppingHook
from engine_runner.hooks.ema import EMAHook
from engine_runner.hooks.empty_cache import EmptyCacheHook
from engine_runner.hooks.garbage_collection import GarbageCollectionHook
from engine_runner.hooks.gradient_statistics import GradientStatisticsHook
from engine_runner.hooks.heartbeat import HeartbeatHook
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.iter_timer import IterTimerHook
from engine_runner.hooks.logger import LoggerHook
from engine_runner.hooks.memory_snapshot import MemorySnapshotHook
from engine_runner.hooks.naive_visualization import NaiveVisualizationHook
from engine_runner.hooks.non_finite import NonFiniteHook
from engine_runner.hooks.npu_profiler import NPUProfilerHook
from engine_runner.hooks.param_scheduler import ParamSchedulerHook
from engine_runner.hooks.patience import Patience
from engine_runner.hooks.prepare_tta import PrepareTTAHook
from engine_runner.hooks.priority import Priority, get_priority
from engine_runner.hooks.profiler import ProfilerHook
from engine_runner.hooks.progress import ProgressHook
from engine_runner.hooks.retention import Retention
from engine_runner.hooks.runtime_info import RuntimeInfoHook
from engine_runner.hooks.sampler_seed import DistSamplerSeedHook
from engine_runner.hooks.sync_buffers import SyncBuffersHook
from engine_runner.hooks.throughput import ThroughputHook
from engine_runner.protocols import RunnerLike

__all__ = [
    "BestScore",
    "CheckpointHook",
    "DistSamplerSeedHook",
    "EMAHook",
    "EarlyStoppingHook",
    "EmptyCacheHook",
    "GarbageCollectionHook",
    "GradientStatisticsHook",
    "HeartbeatHook",
    "Hook",
    "IterTimerHook",
    "LoggerHook",
    "MemorySnapshotHook",
    "NPUProfilerHook",
    "NaiveVisualizationHook",
    "NonFiniteHook",
    "ParamSchedulerHook",
    "Patience",
    "PrepareTTAHook",
    "Priority",
    "ProfilerHook",
    "ProgressHook",
    "Retention",
    "RunnerLike",
    "RuntimeInfoHook",
    "SyncBuffersHook",
    "ThroughputHook",
    "get_priority",
]
