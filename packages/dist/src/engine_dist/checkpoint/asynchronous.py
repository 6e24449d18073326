"""Save while the training goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import torch.distributed as torch_dist
from torch.distributed import ProcessGroup

from engine_dist.checkpoint.errors import CheckpointError, UnwritableError
from engine_dist.checkpoint.savable import plain
from engine_dist.checkpoint.saving import save_checkpoint
from engine_dist.checkpoint.staging import Staging
from engine_dist.ranks import is_distributed

__all__ = ["AsyncSaver", "own_group"]

Write = Callable[[Any, "str | os.PathLike[str]"], None]


class AsyncSaver:
    """Writes states in the background, one at a time.

    The caller waits while the state is copied, and no longer, unless the save before is still
    being written.  Call `check` at every step: what failed in the background is raised there.

    Parameters
    ----------
    write : callable
        Called with the copied state and the path; by default `save_checkpoint`.
    group : ProcessGroup, optional
        By which those who write in the background may communicate.

    Attributes
    ----------
    after : callable, optional
        Called in the background once the next save is there; for that one alone.

    Examples
    --------
    >>> import tempfile, torch
    >>> weight = torch.zeros(3)
    >>> with tempfile.TemporaryDirectory() as folder, AsyncSaver() as saver:
    ...     saver.save({"weight": weight}, f"{folder}/iter_1.pth")
    ...     _ = weight.add_(1)  # the training goes on
    ...     saver.wait()
    ...     torch.load(f"{folder}/iter_1.pth")["weight"]
    tensor([0., 0., 0.])
    """

    def __init__(self, write: Write = save_checkpoint, group: ProcessGroup | None = None) -> None:
        self._write = write
        self.group = group
        self.after: Callable[[], object] | None = None
        self._staging = Staging()
        self._threads = ThreadPoolExecutor(1, "checkpoint")
        self._pending: tuple[Future[None], str] | None = None

    def save(self, state: Any, path: str | os.PathLike[str], write: Write | None = None) -> None:
        """Copy the state and start to write it; wait first for the save before.

        Parameters
        ----------
        state : Any
            What is copied.
        path : str or os.PathLike
            Where to.
        write : callable, optional
            What writes this one.

        Raises
        ------
        UnsavableStateError
            If the state holds what could not be loaded again.
        CheckpointError
            If the save before failed.
        """
        self.wait()
        after, self.after = self.after, None
        copied = self._staging.copy(plain(state, sharded=True))

        def work() -> None:
            (write or self._write)(copied, path)
            if after is not None:
                after()

        self._pending = (self._threads.submit(work), os.fspath(path))

    def check(self) -> bool:
        """Return whether a save is being written.

        Raises
        ------
        CheckpointError
            If the last one failed; once.
        """
        if self._pending is not None and self._pending[0].done():
            self.wait()
        return self._pending is not None

    def wait(self) -> None:
        """Wait for the save that is being written; raises as `check` does."""
        if self._pending is None:
            return
        (future, path), self._pending = self._pending, None
        error = future.exception()
        if error is not None:
            kind = UnwritableError if isinstance(error, OSError) else CheckpointError
            raise kind(f"saving {path} in the background failed: {error}") from error

    def close(self) -> None:
        """Wait, then end the thread."""
        try:
            self.wait()
        finally:
            self._threads.shutdown()

    def __enter__(self) -> AsyncSaver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def own_group() -> ProcessGroup | None:
    """Return a gloo group for the background; every process calls it, None where there is one.

    On the default group its messages would meet the training's.
    """
    return torch_dist.new_group(backend="gloo") if is_distributed() else None
