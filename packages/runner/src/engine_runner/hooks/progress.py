"""How far it is, on the terminal."""

from __future__ import annotations

import atexit
from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.protocol import RunnerLike
from engine_runner.logging import ProgressBar

__all__ = ["ProgressHook"]


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show a bar below the log while training; on a terminal, and there of the main process alone.

    Parameters
    ----------
    interval : int, default 10
        Iterations between two updates of the bar.
    """

    priority = "LOWEST"

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise ValueError(f"interval must be at least 1, got {interval}")
        self.interval = interval

    def before_train(self, runner: RunnerLike) -> None:
        """Draw the bar."""
        self._bar = ProgressBar("training", total=runner.max_iters)
        self._bar.__enter__()
        # a run that fails must not leave a terminal without its cursor
        atexit.register(self._bar.close)

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Move the bar where an update is due."""
        if (runner.iter + 1) % self.interval == 0:
            self._bar.update(runner.iter + 1)

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        """Show the newest metrics beside the bar."""
        bar = getattr(self, "_bar", None)
        if bar is not None:
            shown = [f"{k}: {v:.4f}" for k, v in (metrics or {}).items() if isinstance(v, float)]
            bar.update(runner.iter, fields="  ".join(shown))

    def after_train(self, runner: RunnerLike) -> None:
        """Remove the bar."""
        self._bar.close()
        atexit.unregister(self._bar.close)
