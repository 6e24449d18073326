"""What the first epochs or iterations of a training take, by torch's profiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from torch.profiler import (
    ProfilerActivity,
    profile,
    schedule,
    tensorboard_trace_handler,
)

from engine_registry import HOOKS
from engine_runner.hooks.every import EACH, acting
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerT

__all__ = ["ProfilerHook"]

TraceHandler: TypeAlias = Callable[[profile], None]
_TRACES = ("log_trace", "tb_trace")


@HOOKS.register_module()
class ProfilerHook(Hook[RunnerT]):
    """Profile the first epochs or iterations of a training.

    Parameters
    ----------
    by_epoch : bool, default True
        Count epochs, or else iterations.
    profile_times : int, default 1
        How many to profile. Without a ``schedule`` all that happens in them is held in memory.
    activity_with_cpu, activity_with_cuda : bool, default True and False
        What to profile.
    schedule : dict, optional
        Arguments of `torch.profiler.schedule`: ``wait``, ``warmup``, ``active``, …, in iterations.
    on_trace_ready : callable or dict, optional
        What is done with a trace; it takes the profiler. ``dict(type='log_trace')`` logs a table,
        whose other keys are arguments of its ``table``, such as ``sort_by``;
        ``dict(type='tb_trace')`` writes files for TensorBoard into ``dir_name`` (default
        ``tf_tracing_logs``) below the run's log folder, and ``worker_name`` names them.
    record_shapes, profile_memory, with_stack, with_flops : bool, default False
        See `torch.profiler.profile`.
    json_trace_path : str, optional
        A file for the trace, in Chrome's format; of the main process. Where a ``schedule`` makes
        several, the last.

    Raises
    ------
    ValueError
        If there is nothing to profile, or ``on_trace_ready`` is none of these.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        *,
        by_epoch: bool = True,
        profile_times: int = 1,
        activity_with_cpu: bool = True,
        activity_with_cuda: bool = False,
        schedule: Mapping[str, Any] | None = None,
        on_trace_ready: TraceHandler | Mapping[str, Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        json_trace_path: str | None = None,
    ) -> None:
        if not isinstance(by_epoch, bool):
            raise TypeError(f"by_epoch must be True or False, got {by_epoch!r}")
        if profile_times < 1:
            raise ValueError(f"profile_times must be at least 1, got {profile_times}")
        kinds = {
            ProfilerActivity.CPU: activity_with_cpu,
            ProfilerActivity.CUDA: activity_with_cuda,
        }
        if not any(kinds.values()):
            raise ValueError(
                "activity_with_cpu and activity_with_cuda are False: set one to profile anything"
            )
        self._on_trace_ready = _checked(on_trace_ready)
        if json_trace_path is not None and _kind(self._on_trace_ready) == "tb_trace":
            raise ValueError(
                "on_trace_ready=dict(type='tb_trace') and json_trace_path both write the trace, which "
                "torch does but once: leave one out"
            )
        self.by_epoch = by_epoch
        self.profile_times = profile_times
        self.json_trace_path = json_trace_path
        self._make = partial(
            profile,
            activities=[kind for kind, wanted in kinds.items() if wanted],
            schedule=_schedule(schedule),
            record_shapes=record_shapes,
            profile_memory=profile_memory,
            with_stack=with_stack,
            with_flops=with_flops,
        )
        self._profiler: profile | None = None
        self._left = 0

    def before_train(self, runner: RunnerT) -> None:
        """Begin to profile.

        Raises
        ------
        ValueError
            If the training is shorter than what is to be profiled.
        """
        goal, unit = (
            (runner.max_epochs, "epochs") if self.by_epoch else (runner.max_iters, "iterations")
        )
        if self.profile_times > goal:
            raise ValueError(
                f"profile_times={self.profile_times} {unit} are more than the {goal} of the training"
            )
        self._left = self.profile_times
        self._profiler = self._make(on_trace_ready=self._ready(runner))
        self._profiler.start()
        runner.logger.info("profiling %d %s, which take longer for it", self.profile_times, unit)

    @acting(lambda hook, runner: EACH if hook._profiler else None)
    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Make a step of the profiler; end after the last iteration that counts."""
        if self._profiler is not None:
            self._profiler.step()
            if not self.by_epoch:
                self._count(runner)

    def after_train_epoch(self, runner: RunnerT) -> None:
        """End after the last epoch that counts."""
        if self.by_epoch:
            self._count(runner)

    def after_train(self, runner: RunnerT) -> None:
        """End with a training that was stopped before."""
        self._end(runner)

    def _count(self, runner: RunnerT) -> None:
        self._left -= 1
        if not self._left:
            self._end(runner)

    def _end(self, runner: RunnerT) -> None:
        profiler, self._profiler = self._profiler, None
        if profiler is None:
            return
        runner.logger.info("the profiler gathers what it saw, which may take minutes")
        profiler.stop()

    def _ready(self, runner: RunnerT) -> TraceHandler:
        handler = _handler(self._on_trace_ready, runner)

        def ready(profiler: profile) -> None:
            if handler is not None:
                handler(profiler)
            if self.json_trace_path is not None and runner.rank == 0:
                Path(self.json_trace_path).parent.mkdir(parents=True, exist_ok=True)
                profiler.export_chrome_trace(self.json_trace_path)

        return ready


def _schedule(settings: Mapping[str, Any] | None) -> Callable[[int], Any] | None:
    if settings is None:
        return None
    if not isinstance(settings, Mapping):
        raise TypeError(
            f"schedule must be a dict of torch.profiler.schedule's arguments, got {settings!r}"
        )
    made: Callable[[int], Any] = schedule(**settings)
    return made


def _checked(value: Any) -> TraceHandler | dict[str, Any] | None:
    if isinstance(value, Mapping) and value.get("type") in _TRACES:
        return dict(value)
    if value is None or (callable(value) and not isinstance(value, Mapping)):
        handler: TraceHandler | None = value
        return handler
    raise ValueError(
        "on_trace_ready must be a function of the profiler, or a dict whose type is 'log_trace' or "
        f"'tb_trace', got {value!r}"
    )


def _kind(value: TraceHandler | dict[str, Any] | None) -> Any:
    return value["type"] if isinstance(value, dict) else None


def _handler(value: TraceHandler | dict[str, Any] | None, runner: Any) -> TraceHandler | None:
    if not isinstance(value, dict):
        return value
    settings = {key: setting for key, setting in value.items() if key != "type"}
    if value["type"] == "log_trace":
        return lambda profiler: runner.logger.info(
            "what was profiled:\n%s", profiler.key_averages().table(**settings)
        )
    folder = Path(runner.log_dir) / settings.pop("dir_name", "tf_tracing_logs")
    made: TraceHandler = tensorboard_trace_handler(str(folder), **settings)
    return made
