"""What some iterations take on an Ascend NPU, by the profiler of its plug-in."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerT

__all__ = ["NPUProfilerHook"]


@HOOKS.register_module()
class NPUProfilerHook(Hook[RunnerT]):
    """Profile some iterations of a training on an Ascend NPU.

    Parameters
    ----------
    begin, end : int, default 0 and 1
        From which iteration on, and before which one, counted from 0.
    result_path : str, default "cann_profiling"
        The folder of the result.
    exit_after_profiling : bool, default True
        End the program there.
    use_e2e_profiler : bool, default False
        See ``torch_npu.npu.profile``.
    ge_profiling_to_std_out : bool, default False
        Let the graph engine print what its compilation takes.

    Raises
    ------
    ImportError
        Where the plug-in ``torch_npu`` is not installed.
    ValueError
        If nothing lies between ``begin`` and ``end``.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        *,
        begin: int = 0,
        end: int = 1,
        result_path: str = "cann_profiling",
        exit_after_profiling: bool = True,
        use_e2e_profiler: bool = False,
        ge_profiling_to_std_out: bool = False,
    ) -> None:
        try:
            plugin = importlib.import_module("torch_npu")
        except ImportError as error:
            raise ImportError(
                "NPUProfilerHook needs an Ascend NPU and its plug-in torch_npu, which cannot be "
                f"imported here ({error}); ProfilerHook profiles other devices"
            ) from error
        if not 0 <= begin < end:
            raise ValueError(
                f"begin must be 0 or more, and less than end; got begin={begin}, end={end}"
            )
        self.begin = begin
        self.end = end
        self.exit_after_profiling = exit_after_profiling
        if ge_profiling_to_std_out:
            os.environ["GE_PROFILING_TO_STD_OUT"] = "1"
        self._profiler = plugin.npu.profile(result_path, use_e2e_profiler=use_e2e_profiler)

    def before_train(self, runner: RunnerT) -> None:
        """Refuse a training that is too short.

        Raises
        ------
        ValueError
        """
        if self.end > runner.max_iters:
            raise ValueError(
                f"end={self.end} is behind the {runner.max_iters} iterations of the training"
            )

    def before_train_iter(self, runner: RunnerT, batch_idx: int, data_batch: Any = None) -> None:
        """Begin, where it is time."""
        if runner.iter == self.begin:
            runner.logger.info("profiling from iteration %d on", self.begin)
            self._profiler.__enter__()

    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """End, where it is time."""
        if runner.iter != self.end - 1:
            return
        runner.logger.info("the profiler writes what it saw, which may take minutes")
        self._profiler.__exit__(None, None, None)
        if self.exit_after_profiling:
            sys.exit()
