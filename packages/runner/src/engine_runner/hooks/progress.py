"""How far it is, on the terminal."""

from __future__ import annotations

import atexit
from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.every import Every, acting
from engine_runner.hooks.hook import Hook
from engine_runner.logging import ProgressBar
from engine_runner.protocols import RunnerT

__all__ = ["ProgressHook"]


@HOOKS.register_module()
class ProgressHook(Hook[RunnerT]):
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
        self._bar: ProgressBar | None = None

    def before_train(self, runner: RunnerT) -> None:
        """Draw the bar."""
        bar = self._bar = ProgressBar("training", total=runner.max_iters)
        bar.__enter__()
        # a run that fails must not leave a terminal without its cursor
        atexit.register(bar.close)

    @acting(lambda hook, runner: Every(hook.interval) if hook._bar and hook._bar.shown else None)
    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Move the bar where an update is due."""
        if self._bar is not None and self.every_n_train_iters(runner, self.interval):
            self._bar.update(runner.iter + 1)

    def after_val_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """Show the newest metrics beside the bar."""
        if self._bar is not None:
            shown = [f"{k}: {v:.4f}" for k, v in (metrics or {}).items() if isinstance(v, float)]
            self._bar.update(runner.iter, fields="  ".join(shown))

    def after_train(self, runner: RunnerT) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            atexit.unregister(self._bar.close)
