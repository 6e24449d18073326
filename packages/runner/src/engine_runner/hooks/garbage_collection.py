"""When Python looks for cycles of objects that nothing needs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.every import Every, acting, due
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.scopes import around_loops
from engine_runner.protocols import RunnerT

__all__ = ["GarbageCollectionHook", "paused_collection"]


@contextmanager
def paused_collection() -> Iterator[None]:
    """Let the interpreter collect by itself no more; afterwards as before, whatever happened."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@HOOKS.register_module()
class GarbageCollectionHook(Hook[RunnerT]):
    """Collect garbage at fixed iterations alone, which are the same on all ranks.

    The interpreter collects whenever it counted enough new objects, on each rank at another time,
    and each time the others wait for that rank's gradients. With this hook all ranks collect at
    once, in training and in a validation within it; when training ends, also by an exception, the
    interpreter's own collection is as it was before.

    Parameters
    ----------
    interval : int, default 1000
        Iterations between two collections.
    generation : {0, 1, 2}, default 1
        The oldest generation to collect; 2 for all, which takes longest.

    Raises
    ------
    ValueError
        If ``interval`` is below 1, or ``generation`` is no generation.
    """

    priority = "VERY_LOW"

    def __init__(self, interval: int = 1000, generation: int = 1) -> None:
        if interval < 1:
            raise ValueError(f"interval must be at least 1, got {interval}")
        if generation not in (0, 1, 2):
            raise ValueError(f"generation must be 0, 1 or 2, got {generation!r}")
        self.interval = interval
        self.generation = generation

    def before_run(self, runner: RunnerT) -> None:
        """Let training run without the interpreter's own collection."""
        around_loops(runner, self, paused_collection, names=["train_loop"])

    def before_train(self, runner: RunnerT) -> None:
        """Collect what was left by the making of the run."""
        gc.collect()

    @acting(lambda hook, runner: Every(hook.interval))
    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Collect where it is due, by the iterations of the run."""
        if due(runner.iter + 1, self.interval):
            gc.collect(self.generation)

    def after_val_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Collect where it is due, by the batches of the validation."""
        if due(batch_idx + 1, self.interval):
            gc.collect(self.generation)
