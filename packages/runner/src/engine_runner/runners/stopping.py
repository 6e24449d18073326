"""What a run does that has stopped because it was told to go."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from engine_runner.hooks.checkpoint import CheckpointHook
from engine_runner.process.preempted import Preempted
from engine_runner.process.preemption import PREEMPTION
from engine_runner.runners.recipe import Recipe

__all__ = ["Stopping", "stopped"]


class Stopping:
    """Lets a signal end a run in order."""

    _recipe: Recipe

    @property
    @abstractmethod
    def iter(self) -> int:
        """Training iterations done."""

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        """Let a signal end the run in order, at any point that all ranks come to."""
        with PREEMPTION.heeded(self._recipe.env_cfg.get("preemption")):
            PREEMPTION.begin_run()
            self._under_way: Any = None
            yield
            self._under_way = None  # all that there is to save is saved
            if PREEMPTION.ends():
                self.stop_in_order()

    def _start(self, loop: Any) -> None:
        counted = getattr(loop, "stops_in_order", False)
        if PREEMPTION.starts((lambda: self.iter) if counted else None):
            self.stop_in_order()
        self._under_way = loop

    def stop_in_order(self) -> NoReturn:
        """Save what a training that is under way has come to, and end the run; every rank calls it.

        Raises
        ------
        Preempted
        """
        loop = self._under_way
        raise stopped(self, loop if loop is vars(self).get("train_loop") else None)


def stopped(run: Any, training: Any) -> Preempted:
    """Save a run that stands with nothing half done, on all ranks; return what ends it.

    Parameters
    ----------
    run : BaseRunner
    training : TrainLoop, optional
        The training that is under way; without one there is nothing to save.
    """
    if training is None:
        ended = PREEMPTION.go(saved=False)
        run.logger.warning("stopped by %s; nothing that was saved is lost", ended.name)
        return ended
    ended = PREEMPTION.go(_hook_of(run).save_now(run))
    run.logger.warning(
        "stopped by %s after %d of %d iterations; %s", ended.name, training.iter, training.max_iters,
        "all is saved" if ended.saved else "it could not be saved",
    )  # fmt: skip
    return ended


def _hook_of(run: Any) -> CheckpointHook[Any]:
    """Return the hook that saves all that a run needs to go on; one of its own where there is none."""
    for hook in run.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_optimizer and hook.save_param_scheduler:
            return hook
    own: CheckpointHook[Any] = CheckpointHook()
    own.before_train(run)
    return own
