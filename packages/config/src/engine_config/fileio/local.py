"""Files of this machine."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine_config.fileio.backend import BaseStorageBackend, PathLike, content_of
from engine_config.formats.atomic import write_whole


def _plain(path: PathLike) -> PathLike:
    """Drop ``file://``."""
    if isinstance(path, str) and path.startswith("file://"):
        return path[len("file://") :]
    return path


class LocalBackend(BaseStorageBackend):
    """Files of this machine; a write is whole or not at all."""

    @property
    def allow_symlink(self) -> bool:
        """Whether the storage knows symbolic links."""
        return True

    def get(self, filepath: PathLike) -> bytes:
        """Return the bytes of a file."""
        return Path(_plain(filepath)).read_bytes()

    def get_text(self, filepath: PathLike, encoding: str | None = "utf-8") -> str:
        """Return the text of a file, with plain newlines."""
        return Path(_plain(filepath)).read_text(encoding=encoding or "utf-8")

    def put(self, obj: bytes | io.BytesIO, filepath: PathLike) -> None:
        """Write bytes to a file; make the folders above it."""
        write_whole(_plain(filepath), content_of(obj))

    def exists(self, filepath: PathLike) -> bool:
        """Whether there is a file or folder."""
        return os.path.exists(_plain(filepath))

    def isdir(self, filepath: PathLike) -> bool:
        """Whether there is a folder."""
        return os.path.isdir(_plain(filepath))

    def isfile(self, filepath: PathLike) -> bool:
        """Whether there is a file, not a folder."""
        return os.path.isfile(_plain(filepath))

    def scan(self, dir_path: PathLike) -> Iterator[tuple[str, bool]]:
        """Yield the name of each entry of a folder, and whether it is a folder."""
        with os.scandir(_plain(dir_path)) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries)
        return iter(found)

    def remove(self, filepath: PathLike) -> None:
        """Remove a file.

        Raises
        ------
        IsADirectoryError
            It is a folder: ``rmtree`` removes these.
        FileNotFoundError
            There is none.
        """
        path = _plain(filepath)
        if os.path.isdir(path) and not os.path.islink(path):
            raise IsADirectoryError(f"{path} is a folder; rmtree removes folders")
        os.remove(path)

    def rmtree(self, dir_path: PathLike) -> None:
        """Remove a folder and all that is in it."""
        shutil.rmtree(_plain(dir_path))

    def join_path(self, filepath: PathLike, *filepaths: PathLike) -> str:
        """Join parts of a path as the system does."""
        return os.path.join(filepath, *filepaths)

    @contextmanager
    def get_local_path(self, filepath: PathLike) -> Iterator[str | Path]:
        """Yield the path itself: the file is here already."""
        path = _plain(filepath)
        yield path if isinstance(path, Path) else str(path)

    def fetch(self, filepath: PathLike, local: PathLike) -> None:
        """Write a file's bytes to a local path."""
        shutil.copyfile(_plain(filepath), local)

    def copyfile(self, src: PathLike, dst: PathLike) -> PathLike:
        """Copy a file; return ``dst``, or where it is within, as text, if that is a folder."""
        return shutil.copy(_plain(src), _plain(dst))

    def copytree(self, src: PathLike, dst: PathLike) -> PathLike:
        """Copy a folder, links as links; return ``dst``."""
        return shutil.copytree(_plain(src), _plain(dst))

    # here and there are the same place
    copyfile_from_local = copyfile_to_local = copyfile
    copytree_from_local = copytree_to_local = copytree

    def copy_if_symlink_fails(self, src: PathLike, dst: PathLike) -> bool:
        """Link ``dst`` to ``src``, or copy it where linking fails; return whether it links."""
        try:
            os.symlink(_plain(src), _plain(dst))
        except OSError:
            return super().copy_if_symlink_fails(src, dst)
        return True


class HardDiskBackend(LocalBackend):
    """The old name of ``LocalBackend``."""
