"""Where checkpoints go: a folder of this machine, or of a storage that is known by its URI."""

from __future__ import annotations

import json
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from engine_config import fileio
from engine_dist.checkpoint import clear_leftovers, remove_checkpoint
from engine_dist.checkpoint.checksums import sign_checkpoint, signer
from engine_dist.checkpoint.saving import is_local

__all__ = ["CheckpointFolder", "folder_of"]

logger = logging.getLogger("engine.runner")


class CheckpointFolder(ABC):
    """A folder of checkpoints; who wrote one is noted beside it, so that no other is removed.

    Parameters
    ----------
    path : str
        The folder, as the user knows it.
    by : str
        Who writes.
    """

    def __init__(self, path: str, by: str) -> None:
        self.path = path
        self._by = by
        self._written: set[str] = set()

    @abstractmethod
    def file(self, name: str) -> str:
        """Return the whole name of a file."""

    @abstractmethod
    def _writer(self, name: str) -> str | None:
        """Return who is noted beside a file, which may not be there."""

    @abstractmethod
    def _note(self, name: str) -> None:
        """Note who wrote a file."""

    @abstractmethod
    def _unlink(self, name: str) -> None:
        """Remove a file and what stands beside it."""

    @property
    def scratch(self) -> str | None:
        """The folder of this machine in which what is to be taken is best made."""
        return None

    @abstractmethod
    def read(self, name: str) -> AbstractContextManager[str | Path]:
        """Give a file on this machine."""

    @abstractmethod
    def take(self, made: Path, name: str) -> None:
        """Take a checkpoint that was made on this machine, under a name."""

    def sign(self, name: str) -> None:
        """Note that a file which is there now is the writer's own."""
        self._written.add(name)
        self._note(name)

    def is_own(self, name: str) -> bool:
        """Tell whether a file was written by the writer, now or in a run before."""
        return name in self._written or self._writer(name) == self._by

    def remove(self, name: str) -> None:
        """Remove a file if it is the writer's own; where that fails, it is told, and stays."""
        try:
            if self.is_own(name):
                logger.debug("removing %s", self.file(name))
                self._unlink(name)
        except Exception as error:  # what a storage's client raises, nobody knows
            logger.warning("%s is no longer needed, but stays: %s", self.file(name), error)

    def clear(self) -> None:
        """Remove what writers that were killed have left, where the storage keeps any of that."""
        return


class LocalFolder(CheckpointFolder):
    """A folder of this machine."""

    def file(self, name: str) -> str:
        return str(Path(self.path) / name)

    def _writer(self, name: str) -> str | None:
        return signer(self.file(name))

    def _note(self, name: str) -> None:
        sign_checkpoint(self.file(name), self._by)

    def _unlink(self, name: str) -> None:
        path = Path(self.file(name))
        if path.is_symlink():  # what it points to is another's
            path.unlink()
        else:
            remove_checkpoint(path)

    @property
    def scratch(self) -> str:
        return self.path

    def read(self, name: str) -> AbstractContextManager[str | Path]:
        return nullcontext(self.file(name))

    def take(self, made: Path, name: str) -> None:
        os.replace(f"{made}.sum", f"{self.file(name)}.sum")
        os.replace(made, self.file(name))

    def clear(self) -> None:
        clear_leftovers(self.path)


class RemoteFolder(CheckpointFolder):
    """A folder of a storage; the note beside a checkpoint is a hidden file of its own."""

    def __init__(self, path: str, by: str, backend_args: Mapping[str, Any] | None) -> None:
        super().__init__(path, by)
        self._args = dict(backend_args) if backend_args else None

    def file(self, name: str) -> str:
        return fileio.join_path(self.path, name, backend_args=self._args)

    def _beside(self, name: str) -> str:
        return self.file(f".{name}.by")

    def _writer(self, name: str) -> str | None:
        note = self._beside(name)
        if not fileio.exists(note, self._args):
            return None
        try:
            by = json.loads(fileio.get_text(note, backend_args=self._args))["by"]
        except (ValueError, KeyError, TypeError):
            return None
        return by if isinstance(by, str) else None

    def _note(self, name: str) -> None:
        fileio.put_text(json.dumps({"by": self._by}), self._beside(name), backend_args=self._args)

    def _unlink(self, name: str) -> None:
        file = self.file(name)
        if fileio.isdir(file, self._args):  # a sharded one
            fileio.rmtree(file, self._args)
        elif fileio.exists(file, self._args):
            fileio.remove(file, self._args)
        fileio.remove(self._beside(name), self._args)

    def read(self, name: str) -> AbstractContextManager[str | Path]:
        return fileio.get_local_path(self.file(name), self._args)

    def take(self, made: Path, name: str) -> None:
        fileio.copyfile_from_local(str(made), self.file(name), self._args)


def folder_of(
    path: str, by: str, backend_args: Mapping[str, Any] | None = None
) -> CheckpointFolder:
    """Return the folder of a path or a URI; with arguments of a backend it is that backend's."""
    if is_local(path, backend_args):
        return LocalFolder(path, by)
    return RemoteFolder(path, by, backend_args)


def clear_work_dir(work_dir: str) -> None:
    """Remove what killed processes left in a work directory, and in the folders of its starts."""
    home = Path(work_dir)
    for folder in (home, *home.glob("*/vis_data")):
        clear_leftovers(folder)
