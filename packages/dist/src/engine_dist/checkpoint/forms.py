"""In which form a checkpoint lies on the disk: one file, or a folder that every process writes to."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeAlias

from torch.distributed import ProcessGroup

from engine_dist.checkpoint.agreement import Together
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.errors import CheckpointError, unwritable
from engine_dist.checkpoint.saving import is_local, save_checkpoint
from engine_dist.checkpoint.splits import own_part, whole
from engine_dist.ranks import get_rank

__all__ = ["FORMS", "Form", "FormName", "form_of"]

FormName: TypeAlias = Literal["single", "sharded"]
Path: TypeAlias = str | os.PathLike[str]


class Form(ABC):
    """How a state of any strategy is written; every process calls all of it.

    Parameters
    ----------
    backend_args : Mapping, optional
        Of the storage of a path with a scheme.
    """

    def __init__(self, backend_args: Mapping[str, Any] | None = None) -> None:
        self._args = dict(backend_args) if backend_args else None

    @abstractmethod
    def part(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of a state this process writes."""

    @abstractmethod
    def write(self, part: dict[str, Any], path: Path, *, group: ProcessGroup | None) -> None:
        """Write it, and return when the checkpoint is there."""

    def save(self, state: Mapping[str, Any], path: Path, saver: AsyncSaver | None = None) -> None:
        """Write a state; with a saver, copy it and let that write."""
        if saver is None:
            self.write(self.part(state), path, group=None)
            return
        saver.save(self.part(state), path, partial(self.write, group=saver.group))


class SingleFile(Form):
    """One file, which the main process writes: the layout of MMEngine's."""

    def part(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state on the main process, nothing on the others."""
        return whole(state)

    def write(self, part: dict[str, Any], path: Path, *, group: ProcessGroup | None) -> None:
        """Write the file."""

        def write() -> None:
            if get_rank(group) == 0:
                with _naming(path, self._args):
                    save_checkpoint(part, path, backend_args=self._args)

        Together(group, f"saving {path}")(write)


class ShardedFolder(Form):
    """A folder with a file of each process, which any strategy and number of processes reads.

    Raises
    ------
    ValueError
        If a storage is given: folders are written to this machine's file system, or a shared one.
    """

    def part(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parts that this process holds, on the main process all that is not split."""
        return own_part(state)

    def write(self, part: dict[str, Any], path: Path, *, group: ProcessGroup | None) -> None:
        """Write the folder."""
        if not is_local(path, self._args):
            raise ValueError(
                f"a sharded checkpoint is a folder of a file system that all processes see, got "
                f"{path}: give such a folder, or form='single'"
            )
        from engine_dist.checkpoint.sharded import save_sharded
        from engine_dist.checkpoint.sharded_splits import MainsOwn

        save_sharded(part, path, group=group, planner=MainsOwn())


FORMS: Mapping[str, type[Form]] = {"single": SingleFile, "sharded": ShardedFolder}


def form_of(name: str, backend_args: Mapping[str, Any] | None = None) -> Form:
    """Return the form of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in FORMS:
        raise ValueError(f"form must be {' or '.join(map(repr, FORMS))}, got {name!r}")
    return FORMS[name](backend_args)


@contextmanager
def _naming(path: Path, backend_args: Mapping[str, Any] | None) -> Iterator[None]:
    """Name the checkpoint that cannot be written, not a file on its way there."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        if isinstance(error, OSError) or not is_local(
            path, backend_args
        ):  # what a storage's client raises, nobody knows
            raise unwritable(path, error) from error
        raise
