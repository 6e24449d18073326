"""One set of buffers for all processes."""

from __future__ import annotations

from engine_dist import all_reduce_params
from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerT

__all__ = ["SyncBuffersHook"]


@HOOKS.register_module()
class SyncBuffersHook(Hook[RunnerT]):
    """Set each buffer, such as the statistics of batch norms, to its mean over the processes.

    After each training epoch, and before a validation amid one.
    """

    priority = "NORMAL"

    def __init__(self) -> None:
        self._fresh = False  # whether they are equal since the epoch that ended

    def after_train_epoch(self, runner: RunnerT) -> None:
        """Average the buffers."""
        all_reduce_params([*runner.model.buffers()], op="mean")
        self._fresh = True

    def before_val_epoch(self, runner: RunnerT) -> None:
        """Average the buffers, unless the epoch that ended did."""
        if not self._fresh:
            all_reduce_params([*runner.model.buffers()], op="mean")
        self._fresh = False
