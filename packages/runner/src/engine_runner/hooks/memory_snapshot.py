"""What lies in the memory of a CUDA device, for `pytorch.org/memory_viz`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.scopes import around_loops
from engine_runner.protocols import RunnerT

__all__ = ["MemorySnapshotHook", "recorded_memory"]

logger = logging.getLogger("engine.runner")


def can_record(device: torch.device) -> bool:
    """Tell whether torch can remember what happens to a device's memory."""
    return device.type == "cuda"


@contextmanager
def recorded_memory(max_entries: int, on_oom: Path | None) -> Iterator[None]:
    """Let torch remember what allocates and frees memory of CUDA devices.

    Parameters
    ----------
    max_entries : int
        Allocations and frees to remember, the newest.
    on_oom : Path, optional
        Where to write a snapshot when an allocation failed, before the error goes on.
    """
    torch.cuda.memory._record_memory_history(max_entries=max_entries)
    try:
        yield
    except torch.OutOfMemoryError:
        if on_oom is not None:
            write_snapshot(on_oom)
        raise
    finally:
        torch.cuda.memory._record_memory_history(enabled=None)


def write_snapshot(file: Path) -> None:
    """Write what is allocated, and what happened before; a file that cannot be is told of."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.cuda.memory._dump_snapshot(str(file))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    except OSError as error:
        logger.error("the snapshot of the memory cannot be written to %s: %s", file, error)
        return
    logger.info("the snapshot of the memory is in %s; open it at pytorch.org/memory_viz", file)


@HOOKS.register_module()
class MemorySnapshotHook(Hook[RunnerT]):
    """Write snapshots of a CUDA device's memory, at chosen iterations and where it runs out.

    Each rank writes ``memory_iter_<iteration>_rank<rank>.pickle``, or where memory ran out
    ``memory_oom_rank<rank>.pickle``. On another device there is nothing to write, which is said
    once.

    Parameters
    ----------
    iterations : sequence of int, optional
        Training iterations, counted from 1, after which to write one.
    on_oom : bool, default True
        Write one when training, validation or test runs out of memory.
    max_entries : int, default 100000
        Allocations and frees that a snapshot goes back.
    out_dir : str, optional
        Where to write; by default the folder of the run's log.

    Raises
    ------
    ValueError
        If an iteration or ``max_entries`` is below 1, or there is nothing to write at all.
    """

    priority = "LOWEST"

    def __init__(
        self,
        iterations: Sequence[int] = (),
        on_oom: bool = True,
        max_entries: int = 100_000,
        out_dir: str | Path | None = None,
    ) -> None:
        if min([max_entries, *iterations]) < 1:
            raise ValueError(
                f"iterations count from 1 and max_entries is at least 1, got {list(iterations)} "
                f"and {max_entries}"
            )
        if not iterations and not on_oom:
            raise ValueError("there is nothing to write: name iterations, or set on_oom=True")
        self.iterations = frozenset(iterations)
        self.on_oom = on_oom
        self.max_entries = max_entries
        self.out_dir = out_dir
        self._folder = Path()
        self._active = False

    def before_run(self, runner: RunnerT) -> None:
        """Let memory be recorded while the loops run."""
        self._active = can_record(runner.device)
        if not self._active:
            logger.warning(
                "MemorySnapshotHook does nothing: torch records the memory of CUDA devices, and "
                "this run is on %s", runner.device.type,
            )  # fmt: skip
            return
        self._folder = Path(runner.log_dir if self.out_dir is None else self.out_dir)
        oom = self._folder / f"memory_oom_rank{runner.rank}.pickle" if self.on_oom else None
        around_loops(runner, self, lambda: recorded_memory(self.max_entries, oom))

    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Write a snapshot where one is due."""
        done = runner.iter + 1
        if self._active and done in self.iterations:
            write_snapshot(self._folder / f"memory_iter_{done}_rank{runner.rank}.pickle")
