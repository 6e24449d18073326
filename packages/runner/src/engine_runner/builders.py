"""From what a runner is given to the components that it runs: the one door of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from torch import nn
from torch.optim import Optimizer

from engine_dist.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
from engine_optim import BaseOptimWrapper, OptimWrapper, OptimWrapperDict, build_optim_wrapper
from engine_registry import (
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    MODEL_WRAPPERS,
    MODELS,
    PARAM_SCHEDULERS,
    VISUALIZERS,
    build_as,
)
from engine_runner.hook_list import HookList
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.protocol import RunnerLike
from engine_runner.logging import LogProcessor
from engine_runner.loops import BaseLoop, TrainLoop
from engine_runner.model import as_step_model
from engine_runner.visualization import Visualizer

__all__ = [
    "as_hook_list",
    "as_log_processor",
    "as_loop",
    "as_model",
    "as_optim_wrapper",
    "as_param_schedulers",
    "as_strategy",
    "as_train_loop",
    "as_visualizer",
]

DEFAULT_HOOKS: dict[str, Any] = {
    "runtime_info": {"type": "RuntimeInfoHook"},
    "timer": {"type": "IterTimerHook"},
    "sampler_seed": {"type": "DistSamplerSeedHook"},
    "logger": {"type": "LoggerHook"},
    "param_scheduler": {"type": "ParamSchedulerHook"},
    "checkpoint": {"type": "CheckpointHook", "interval": 1},
    "progress": {"type": "ProgressHook"},
}

Schedulers = list[Any] | dict[str, list[Any]]


def as_strategy(launcher: str, model_wrapper_cfg: Mapping[str, Any] | None) -> Strategy:
    """Return the strategy for a launcher: one device, or data parallelism over the processes."""
    if launcher == "none":
        return SingleDeviceStrategy()
    if model_wrapper_cfg is None:
        return DDPStrategy()
    settings = copy(model_wrapper_cfg)
    return DDPStrategy(lambda model: build_as(MODEL_WRAPPERS, settings, nn.Module, module=model))


def as_model(value: Any, data_preprocessor: Any) -> nn.Module:
    """Return a model with its steps, from one, from a plain module, or from a configuration."""
    if isinstance(value, Mapping) and data_preprocessor is not None:
        value = _with_default(value, data_preprocessor=data_preprocessor)
    return as_step_model(build_as(MODELS, value, nn.Module))


def as_optim_wrapper(model: nn.Module, value: Any) -> BaseOptimWrapper | OptimWrapperDict:
    """Return an optimizer wrapper from one, from an optimizer, or from a configuration."""
    if isinstance(value, (BaseOptimWrapper, OptimWrapperDict)):
        return value
    if isinstance(value, Optimizer):
        return OptimWrapper(optimizer=value)
    return build_optim_wrapper(model, value)


def as_param_schedulers(
    value: Any, optim_wrapper: BaseOptimWrapper | OptimWrapperDict, loop: TrainLoop
) -> Schedulers:
    """Return the schedules, a list for one optimizer or a dict of lists for several.

    A configuration without ``end`` runs to the end of training.
    """
    if isinstance(optim_wrapper, OptimWrapperDict):
        by_name = value if isinstance(value, Mapping) and "type" not in value else None
        return {
            name: _schedulers(value if by_name is None else by_name.get(name), wrapper, loop)
            for name, wrapper in optim_wrapper.items()
        }
    return _schedulers(value, optim_wrapper, loop)


def _schedulers(value: Any, optim_wrapper: Any, loop: TrainLoop) -> list[Any]:
    if value is None:
        return []
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return [_scheduler(item, optim_wrapper, loop) for item in (value if several else [value])]


def _scheduler(value: Any, optim_wrapper: Any, loop: TrainLoop) -> Any:
    if not isinstance(value, Mapping):
        if not hasattr(value, "step"):
            raise TypeError(
                f"a parameter scheduler is a config with 'type' or has a step(), got "
                f"{type(value).__name__}"
            )
        return value
    by_epoch = value.get("by_epoch", True)
    default_args = {"optimizer": optim_wrapper, "epoch_length": _length(loop.dataloader)}
    if "end" not in value:
        default_args["end"] = loop.max_epochs if by_epoch else loop.max_iters
    return PARAM_SCHEDULERS.build(value, default_args=default_args)


def _length(dataloader: Any) -> int | None:
    try:
        return len(dataloader)
    except TypeError:
        return None


def as_loop(value: Any, default_type: str, runner: RunnerLike, **parts: Any) -> BaseLoop:
    """Return a loop from one, or from a configuration that need not name its type."""
    if isinstance(value, Mapping):
        value = _with_default(value, type=default_type)
    return build_as(LOOPS, value, BaseLoop, runner=runner, **parts)


def as_train_loop(value: Any, runner: RunnerLike, dataloader: Any) -> TrainLoop:
    """Return a training loop; ``by_epoch`` chooses between the two where no type is named."""
    if isinstance(value, Mapping) and "type" not in value:
        value = copy(value)
        by_epoch = value.pop("by_epoch", "max_iters" not in value)
        value["type"] = "EpochBasedTrainLoop" if by_epoch else "IterBasedTrainLoop"
    loop = build_as(LOOPS, value, BaseLoop, runner=runner, dataloader=dataloader)
    if not isinstance(loop, TrainLoop):
        raise TypeError(f"train_cfg names {type(loop).__name__}, which is no TrainLoop")
    return loop


def as_hook_list(default_hooks: Mapping[str, Any] | None, custom_hooks: Any) -> HookList:
    """Return the default hooks, changed by name (None leaves one out), and the custom ones."""
    hooks = HookList()
    chosen = {**DEFAULT_HOOKS, **(default_hooks or {})}
    for value in (*chosen.values(), *(custom_hooks or ())):
        if value is not None:
            add_hook(hooks, value)
    return hooks


def add_hook(hooks: HookList, value: Any, priority: Any = None) -> None:
    """Add one hook; a configuration may hold its ``priority``."""
    if isinstance(value, Mapping):
        value = copy(value)
        configured = value.pop("priority", None)
        priority = configured if priority is None else priority
    hooks.add(build_as(HOOKS, value, Hook), priority)


def as_log_processor(value: Any) -> LogProcessor:
    """Return a log processor; a configuration need not name its type."""
    if value is None or isinstance(value, Mapping):
        value = _with_default({} if value is None else value, type="LogProcessor")
    processor = build_as(LOG_PROCESSORS, value, LogProcessor)
    processor.follows = isinstance(value, Mapping) and "by_epoch" not in value
    return processor


def as_visualizer(value: Any, name: str, save_dir: str) -> Visualizer:
    """Return a visualizer; by default one that writes ``scalars.json``."""
    if value is None:
        value = {"vis_backends": [{"type": "LocalVisBackend"}]}
    if isinstance(value, Mapping):
        value = _with_default(value, type="Visualizer", name=name, save_dir=save_dir)
    return build_as(VISUALIZERS, value, Visualizer)


def _with_default(value: Mapping[str, Any], **defaults: Any) -> Any:
    """Return a copy that has more; a copy knows, as the original, where it was written."""
    completed: Any = copy(value)
    for key, default in defaults.items():
        completed.setdefault(key, default)
    return completed
