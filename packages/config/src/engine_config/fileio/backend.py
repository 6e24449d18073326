"""What a storage backend is: six methods to write, everything else follows."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

PathLike = str | os.PathLike[str]


def content_of(obj: object) -> bytes:
    """Return the bytes that ``put`` is given, as they are or in a ``BytesIO``."""
    if isinstance(obj, bytes | bytearray | memoryview):
        return bytes(obj)
    if isinstance(obj, io.BytesIO):
        return obj.getvalue()
    raise TypeError(f"put writes bytes, got a {type(obj).__name__}; put_text writes a str")


class BaseStorageBackend(metaclass=ABCMeta):
    """Access to one kind of storage.

    A backend that only reads writes ``get``; one that can do everything writes ``get``, ``put``,
    ``exists``, ``isdir``, ``scan`` and ``remove``.  All else is made of these six, and may be
    replaced where the storage knows a shorter way.

    Examples
    --------
    >>> class Memory(BaseStorageBackend):
    ...     files = {"a/b.txt": b"hello"}
    ...     def get(self, filepath):
    ...         return self.files[str(filepath)]
    >>> Memory().get_text("a/b.txt")
    'hello'
    """

    # ------------------------------------------------------------- the six to write

    @abstractmethod
    def get(self, filepath: PathLike) -> bytes:
        """Return the bytes of a file."""

    def put(self, obj: bytes | io.BytesIO, filepath: PathLike) -> None:
        """Write bytes to a file; make the folders above it."""
        self._cannot("put")

    def exists(self, filepath: PathLike) -> bool:
        """Whether there is a file or folder."""
        self._cannot("exists")

    def isdir(self, filepath: PathLike) -> bool:
        """Whether there is a folder."""
        self._cannot("isdir")

    def scan(self, dir_path: PathLike) -> Iterator[tuple[str, bool]]:
        """Yield the name of each entry of a folder, and whether it is a folder."""
        self._cannot("scan")

    def remove(self, filepath: PathLike) -> None:
        """Remove a file."""
        self._cannot("remove")

    # ---------------------------------------------------------------- what follows

    @property
    def name(self) -> str:
        """The class's name."""
        return type(self).__name__

    @property
    def allow_symlink(self) -> bool:
        """Whether the storage knows symbolic links."""
        return False

    def get_text(self, filepath: PathLike, encoding: str | None = "utf-8") -> str:
        """Return the text of a file, with plain newlines; None for the encoding is UTF-8 too."""
        text = bytes(self.get(filepath)).decode(encoding or "utf-8")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def put_text(self, obj: str, filepath: PathLike, encoding: str = "utf-8") -> None:
        """Write text to a file; make the folders above it."""
        self.put(obj.encode(encoding), filepath)

    def isfile(self, filepath: PathLike) -> bool:
        """Whether there is a file, not a folder."""
        return self.exists(filepath) and not self.isdir(filepath)

    def join_path(self, filepath: PathLike, *filepaths: PathLike) -> str:
        """Join parts of a path by slashes."""
        parts = [str(part).strip("/") for part in filepaths]
        return "/".join([str(filepath).rstrip("/"), *parts])

    @contextmanager
    def get_local_path(self, filepath: PathLike) -> Iterator[str | Path]:
        """Yield the path of a local copy, which is removed afterwards."""
        handle, copy = tempfile.mkstemp(suffix=os.path.splitext(str(filepath))[1])
        os.close(handle)
        try:
            self.fetch(filepath, copy)
            yield copy
        finally:
            os.remove(copy)

    def fetch(self, filepath: PathLike, local: PathLike) -> None:
        """Write a file's bytes to a local path."""
        Path(local).write_bytes(self.get(filepath))

    def list_dir_or_file(
        self,
        dir_path: PathLike,
        list_dir: bool = True,
        list_file: bool = True,
        suffix: str | tuple[str, ...] | None = None,
        recursive: bool = False,
    ) -> Iterator[str]:
        """Yield the paths below a folder, relative to it; hidden files are left out.

        Parameters
        ----------
        suffix
            Only files that end so; needs ``list_dir=False``.

        Raises
        ------
        TypeError
            A suffix that is no string, or a suffix together with folders.
        """
        if list_dir and suffix is not None:
            raise TypeError(f"suffix={suffix!r} filters files: it goes with list_dir=False only")
        if suffix is not None and not isinstance(suffix, str | tuple):
            raise TypeError(f"suffix is a string or a tuple of strings, got {suffix!r}")
        return self._walk(dir_path, "", list_dir, list_file, suffix, recursive)

    def _walk(
        self,
        top: PathLike,
        below: str,
        list_dir: bool,
        list_file: bool,
        suffix: str | tuple[str, ...] | None,
        recursive: bool,
    ) -> Iterator[str]:
        folder = self.join_path(top, below) if below else top
        for name, is_dir in self.scan(folder):
            path = f"{below}/{name}" if below else name
            if not is_dir:
                hidden = name.startswith(".")
                if list_file and not hidden and (suffix is None or name.endswith(suffix)):
                    yield path
                continue
            if list_dir:
                yield path
            if recursive:
                yield from self._walk(top, path, list_dir, list_file, suffix, recursive)

    def rmtree(self, dir_path: PathLike) -> None:
        """Remove a folder and all that is in it."""
        for name, is_dir in list(self.scan(dir_path)):
            path = self.join_path(dir_path, name)
            if is_dir:
                self.rmtree(path)
            else:
                self.remove(path)

    def copyfile(self, src: PathLike, dst: PathLike) -> PathLike:
        """Copy a file within the storage; return ``dst``, or where it is within, if that is a folder.

        Raises
        ------
        shutil.SameFileError
            Both are the same file.
        """
        target = self._into(src, dst)
        if str(src) == str(target):
            raise shutil.SameFileError(f"{src} and {target} are the same file")
        self.put(self.get(src), target)
        return target

    def copytree(self, src: PathLike, dst: PathLike) -> PathLike:
        """Copy a folder within the storage; return ``dst``.

        Raises
        ------
        FileExistsError
            ``dst`` is there already.
        """
        self._must_be_new(dst)
        for path in self._walk(src, "", False, True, None, True):
            self.put(self.get(self.join_path(src, path)), self.join_path(dst, path))
        return dst

    def copyfile_from_local(self, src: PathLike, dst: PathLike) -> PathLike:
        """Copy a local file into the storage; return as `copyfile` does."""
        target = self._into(src, dst)
        self.put(Path(src).read_bytes(), target)
        return target

    def copytree_from_local(self, src: PathLike, dst: PathLike) -> PathLike:
        """Copy a local folder into the storage; return ``dst``.

        Raises
        ------
        FileExistsError
            ``dst`` is there already.
        """
        self._must_be_new(dst)
        for path in sorted(Path(src).rglob("*")):
            if path.is_file():
                target = self.join_path(dst, path.relative_to(src).as_posix())
                self.put(path.read_bytes(), target)
        return dst

    def copyfile_to_local(self, src: PathLike, dst: PathLike) -> PathLike:
        """Copy a file to a local path; return where it is, inside ``dst`` if that is a folder."""
        target = Path(dst)
        if target.is_dir():
            target = target / str(src).rstrip("/").rsplit("/", 1)[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        self.fetch(src, target)
        return target if isinstance(dst, Path) else str(target)

    def copytree_to_local(self, src: PathLike, dst: PathLike) -> PathLike:
        """Copy a folder to a local path; return ``dst``."""
        for path in self._walk(src, "", False, True, None, True):
            target = Path(dst, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.fetch(self.join_path(src, path), target)
        return dst

    def copy_if_symlink_fails(self, src: PathLike, dst: PathLike) -> bool:
        """Link ``dst`` to ``src``, or copy it where there are no links; return whether it links."""
        if self.isdir(src):
            self.copytree(src, dst)
        else:
            self.copyfile(src, dst)
        return False

    def generate_presigned_url(
        self, url: str, client_method: str = "get_object", expires_in: int = 3600
    ) -> str:
        """Return an address that anyone may use for ``expires_in`` seconds."""
        self._cannot("generate_presigned_url")

    # -------------------------------------------------------------------- helpers

    def _into(self, src: PathLike, dst: PathLike) -> PathLike:
        if self.isdir(dst):
            return self.join_path(dst, str(src).rstrip("/").rsplit("/", 1)[-1])
        return dst

    def _must_be_new(self, dst: PathLike) -> None:
        if self.exists(dst):
            raise FileExistsError(f"{dst} exists; remove it first or choose another name")

    def _cannot(self, what: str) -> NoReturn:
        raise io.UnsupportedOperation(f"{self.name} has no {what}; this storage cannot do it")
