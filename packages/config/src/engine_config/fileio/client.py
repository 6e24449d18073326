"""``FileClient``: the older door to the storage backends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from engine_config.fileio.backend import BaseStorageBackend, PathLike
from engine_config.fileio.registry import get_file_backend, register_backend, scheme_of


class FileClient:
    """A backend by name or by scheme; new code calls the functions of ``engine_config.fileio``.

    Parameters
    ----------
    backend
        A registered name; ``disk`` is ``local``, which is the default.
    prefix
        A scheme, where no name is given.
    **kwargs
        For the backend.
    """

    def __init__(
        self, backend: str | None = None, prefix: str | None = None, **kwargs: Any
    ) -> None:
        name = "local" if backend == "disk" or (backend is None and prefix is None) else backend
        args = kwargs if name is None else {"backend": name, **kwargs}
        self.client: BaseStorageBackend = get_file_backend(
            f"{prefix}://" if prefix else "", backend_args=args, enable_singleton=True
        )

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.client.name

    @property
    def allow_symlink(self) -> bool:
        """Whether the storage knows symbolic links."""
        return self.client.allow_symlink

    @staticmethod
    def parse_uri_prefix(uri: PathLike) -> str | None:
        """Return the scheme of a URI, ``None`` without one."""
        return scheme_of(uri) or None

    @classmethod
    def infer_client(
        cls, file_client_args: dict[str, Any] | None = None, uri: PathLike | None = None
    ) -> FileClient:
        """Return the client for arguments, or for a URI."""
        if file_client_args is None:
            return cls(prefix=None if uri is None else cls.parse_uri_prefix(uri))
        return cls(**file_client_args)

    @classmethod
    def register_backend(
        cls,
        name: str,
        backend: type[BaseStorageBackend] | None = None,
        force: bool = False,
        prefixes: str | list[str] | tuple[str, ...] | None = None,
    ) -> Any:
        """Register a storage backend, as a call or as a decorator."""
        return register_backend(name, backend, force, prefixes)

    def get(self, filepath: PathLike) -> bytes:
        """Return the bytes of a file."""
        return self.client.get(filepath)

    def get_text(self, filepath: PathLike, encoding: str = "utf-8") -> str:
        """Return the text of a file."""
        return self.client.get_text(filepath, encoding)

    def put(self, obj: bytes | io.BytesIO, filepath: PathLike) -> None:
        """Write bytes to a file."""
        self.client.put(obj, filepath)

    def put_text(self, obj: str, filepath: PathLike) -> None:
        """Write text to a file."""
        self.client.put_text(obj, filepath)

    def remove(self, filepath: PathLike) -> None:
        """Remove a file."""
        self.client.remove(filepath)

    def exists(self, filepath: PathLike) -> bool:
        """Whether there is a file or folder."""
        return self.client.exists(filepath)

    def isdir(self, filepath: PathLike) -> bool:
        """Whether there is a folder."""
        return self.client.isdir(filepath)

    def isfile(self, filepath: PathLike) -> bool:
        """Whether there is a file, not a folder."""
        return self.client.isfile(filepath)

    def join_path(self, filepath: PathLike, *filepaths: PathLike) -> str:
        """Join parts of a path."""
        return self.client.join_path(filepath, *filepaths)

    def get_local_path(self, filepath: PathLike) -> AbstractContextManager[str | Path]:
        """Yield the path of a local copy."""
        return self.client.get_local_path(filepath)

    def list_dir_or_file(
        self,
        dir_path: PathLike,
        list_dir: bool = True,
        list_file: bool = True,
        suffix: str | tuple[str, ...] | None = None,
        recursive: bool = False,
    ) -> Iterator[str]:
        """Yield the paths below a folder."""
        return self.client.list_dir_or_file(dir_path, list_dir, list_file, suffix, recursive)
