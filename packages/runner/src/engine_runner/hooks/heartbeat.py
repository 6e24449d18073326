"""What is told of a run that hangs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.hang_watch import Beat, HangWatch, dump_stacks
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.scopes import around_loops
from engine_runner.protocols import RunnerT

__all__ = ["HeartbeatHook"]

logger = logging.getLogger("engine.runner")


@HOOKS.register_module()
class HeartbeatHook(Hook[RunnerT]):
    """Say where a run stands that does not go on, with the stacks of every rank's threads.

    Each rank watches itself, and writes ``<log_dir>/hang_rank<rank>.txt`` where it made no step for
    ``timeout`` seconds: the one that hangs, and those that wait for it. What is logged as an error
    names the phase (train, val, test, saving) and the iteration. The run is left as it is. Training
    may go on afterwards; each silence is told of once. A rank that saves gives no other sign
    meanwhile, so let ``timeout`` be longer than the longest saving and the first, compiling step.

    Parameters
    ----------
    timeout : float, default 600
        Seconds without a step that are a hang.

    Raises
    ------
    ValueError
        If ``timeout`` is not above 0.
    """

    priority = "HIGHEST"

    def __init__(self, timeout: float = 600.0) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout must be a number of seconds above 0, got {timeout!r}")
        self._watch = HangWatch(timeout, self._tell)
        self._file = Path()
        self._rank = 0

    def before_run(self, runner: RunnerT) -> None:
        """Watch the loops, until they end or raise."""
        self._rank = runner.rank
        self._file = Path(runner.log_dir) / f"hang_rank{runner.rank}.txt"
        around_loops(runner, self, self._watching)

    def _before_epoch(self, runner: RunnerT, mode: str = "train") -> None:
        self._watch.beat(mode, 1 + (runner.iter if mode == "train" else 0))

    def _before_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, mode: str = "train"
    ) -> None:
        self._watch.beat(mode, 1 + (runner.iter if mode == "train" else batch_idx))

    def _after_iter(
        self,
        runner: RunnerT,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        self._watch.beat(mode, 1 + (runner.iter if mode == "train" else batch_idx))

    def before_save_checkpoint(self, runner: RunnerT, checkpoint: dict[str, Any]) -> None:
        """Note that what follows is a saving, after so many iterations."""
        self._watch.beat("saving", checkpoint["meta"]["iter"])

    @contextmanager
    def _watching(self) -> Iterator[None]:
        self._watch.start()
        try:
            yield
        finally:
            self._watch.stop()

    def _tell(self, beat: Beat, seconds: float) -> None:
        """Run by the watching thread: whatever goes wrong in it must not end in silence."""
        head = (
            f"rank {self._rank} hangs: no step for {seconds:.1f} s in phase {beat.phase!r}, "
            f"iteration {beat.iteration}"
        )
        try:
            dump_stacks(self._file, head)
        except OSError as error:
            logger.error("%s; its stacks cannot be written to %s: %s", head, self._file, error)
        else:
            logger.error("%s; the stacks of its threads are in %s", head, self._file)
