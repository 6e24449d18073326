"""Every other scheme, through fsspec."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from engine_config.fileio.backend import BaseStorageBackend, PathLike, content_of


class FsspecBackend(BaseStorageBackend):
    """Any storage that fsspec knows: ``s3://``, ``gs://``, ``hf://``, ``memory://``, ….

    Parameters
    ----------
    scheme
        The scheme of paths that state none.
    **storage_options
        For the file system of fsspec, such as ``endpoint_url`` or ``key``.
    """

    def __init__(self, scheme: str = "", **storage_options: Any) -> None:
        _library()  # fail here, not at the first read
        self._scheme = scheme
        self._storage_options = storage_options

    def _locate(self, path: PathLike) -> tuple[Any, str]:
        """Return the file system and the path within it."""
        found: tuple[Any, str] = _library().url_to_fs(self._url(path), **self._storage_options)
        return found

    def _url(self, path: PathLike) -> str:
        url = path.as_posix() if isinstance(path, Path) else str(path)
        return url if "://" in url or not self._scheme else f"{self._scheme}://{url}"

    def get(self, filepath: PathLike) -> bytes:
        """Return the bytes of a file."""
        system, path = self._locate(filepath)
        return bytes(system.cat_file(path))

    def put(self, obj: bytes | io.BytesIO, filepath: PathLike) -> None:
        """Write bytes to a file; make the folders above it."""
        system, path = self._locate(filepath)
        parent = system._parent(path)
        if parent.strip("/").count("/"):  # not the bucket itself
            system.makedirs(parent, exist_ok=True)
        system.pipe_file(path, content_of(obj))

    def exists(self, filepath: PathLike) -> bool:
        """Whether there is a file or folder."""
        system, path = self._locate(filepath)
        return bool(system.exists(path))

    def isdir(self, filepath: PathLike) -> bool:
        """Whether there is a folder."""
        system, path = self._locate(filepath)
        return bool(system.isdir(path))

    def isfile(self, filepath: PathLike) -> bool:
        """Whether there is a file, not a folder."""
        system, path = self._locate(filepath)
        return bool(system.isfile(path))

    def scan(self, dir_path: PathLike) -> Iterator[tuple[str, bool]]:
        """Yield the name of each entry of a folder, and whether it is a folder."""
        system, path = self._locate(dir_path)
        for entry in sorted(system.ls(path, detail=True), key=lambda item: str(item["name"])):
            full = str(entry["name"]).rstrip("/")
            if full != path.rstrip("/"):  # some storages list the folder itself
                yield full.rsplit("/", 1)[-1], entry["type"] == "directory"

    def remove(self, filepath: PathLike) -> None:
        """Remove a file."""
        system, path = self._locate(filepath)
        system.rm_file(path)

    def rmtree(self, dir_path: PathLike) -> None:
        """Remove a folder and all that is in it."""
        system, path = self._locate(dir_path)
        system.rm(path, recursive=True)

    def fetch(self, filepath: PathLike, local: PathLike) -> None:
        """Write a file's bytes to a local path, piece by piece."""
        system, path = self._locate(filepath)
        system.get_file(path, str(local))

    def generate_presigned_url(
        self, url: str, client_method: str = "get_object", expires_in: int = 3600
    ) -> str:
        """Return an address that anyone may use for ``expires_in`` seconds."""
        system, path = self._locate(url)
        return str(system.sign(path, expiration=expires_in, client_method=client_method))


class PetrelBackend(FsspecBackend):
    """MMEngine's name for object storage, here S3 through fsspec.

    Parameters
    ----------
    path_mapping
        Beginnings of paths, and what they stand for.
    enable_mc, conf_path
        Taken for compatibility; S3 is configured by ``storage_options`` or by its environment.
    """

    def __init__(
        self,
        path_mapping: dict[str, str] | None = None,
        enable_mc: bool = True,
        conf_path: str | None = None,
        **storage_options: Any,
    ) -> None:
        super().__init__("s3", **storage_options)
        self.path_mapping = path_mapping or {}

    def _url(self, path: PathLike) -> str:
        url = path.as_posix() if isinstance(path, Path) else str(path)
        for old, new in self.path_mapping.items():
            url = url.replace(old, new, 1)
        scheme, separator, rest = url.partition("://")
        return super()._url(f"s3://{rest}" if separator and "petrel" in scheme else url)


def _library() -> ModuleType:
    try:
        import fsspec.core
    except ImportError as error:
        raise ImportError("remote files need fsspec: pip install engine-config[remote]") from error
    return fsspec.core  # type: ignore[no-any-return,unused-ignore]  # it may not be installed
