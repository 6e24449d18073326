"""Files and folders by path or URI, whatever storage they are in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from engine_config.fileio.backend import BaseStorageBackend, PathLike
from engine_config.fileio.registry import get_file_backend

Args = dict[str, Any] | None


def _backend(uri: PathLike, backend_args: Args) -> BaseStorageBackend:
    return get_file_backend(uri, backend_args=backend_args, enable_singleton=True)


def get(filepath: PathLike, backend_args: Args = None) -> bytes:
    """Return the bytes of a file."""
    return _backend(filepath, backend_args).get(filepath)


def get_text(filepath: PathLike, encoding: str = "utf-8", backend_args: Args = None) -> str:
    """Return the text of a file."""
    return _backend(filepath, backend_args).get_text(filepath, encoding)


def put(obj: bytes | io.BytesIO, filepath: PathLike, backend_args: Args = None) -> None:
    """Write bytes to a file; make the folders above it."""
    _backend(filepath, backend_args).put(obj, filepath)


def put_text(obj: str, filepath: PathLike, backend_args: Args = None) -> None:
    """Write text to a file; make the folders above it."""
    _backend(filepath, backend_args).put_text(obj, filepath)


def exists(filepath: PathLike, backend_args: Args = None) -> bool:
    """Whether there is a file or folder."""
    return _backend(filepath, backend_args).exists(filepath)


def isdir(filepath: PathLike, backend_args: Args = None) -> bool:
    """Whether there is a folder."""
    return _backend(filepath, backend_args).isdir(filepath)


def isfile(filepath: PathLike, backend_args: Args = None) -> bool:
    """Whether there is a file, not a folder."""
    return _backend(filepath, backend_args).isfile(filepath)


def join_path(filepath: PathLike, *filepaths: PathLike, backend_args: Args = None) -> str:
    """Join parts of a path as its storage does."""
    return _backend(filepath, backend_args).join_path(filepath, *filepaths)


def get_local_path(
    filepath: PathLike, backend_args: Args = None
) -> AbstractContextManager[str | Path]:
    """Yield the path of a local copy of a file, the file itself if it is local."""
    return _backend(filepath, backend_args).get_local_path(filepath)


def copyfile(src: PathLike, dst: PathLike, backend_args: Args = None) -> PathLike:
    """Copy a file within one storage; return ``dst``, or where it is within, if that is a folder."""
    return _backend(src, backend_args).copyfile(src, dst)


def copytree(src: PathLike, dst: PathLike, backend_args: Args = None) -> PathLike:
    """Copy a folder within one storage; return ``dst``."""
    return _backend(src, backend_args).copytree(src, dst)


def copyfile_from_local(src: PathLike, dst: PathLike, backend_args: Args = None) -> PathLike:
    """Copy a local file to a storage; return ``dst``, or where it is within, if that is a folder."""
    return _backend(dst, backend_args).copyfile_from_local(src, dst)


def copytree_from_local(src: PathLike, dst: PathLike, backend_args: Args = None) -> PathLike:
    """Copy a local folder to a storage; return ``dst``."""
    return _backend(dst, backend_args).copytree_from_local(src, dst)


def copyfile_to_local(src: PathLike, dst: PathLike, backend_args: Args = None) -> PathLike:
    """Copy a file to a local path; return ``dst``, or where it is within, if that is a folder."""
    return _backend(src, backend_args).copyfile_to_local(src, dst)


def copytree_to_local(src: PathLike, dst: PathLike, backend_args: Args = None) -> PathLike:
    """Copy a folder to a local path; return ``dst``."""
    return _backend(src, backend_args).copytree_to_local(src, dst)


def remove(filepath: PathLike, backend_args: Args = None) -> None:
    """Remove a file."""
    _backend(filepath, backend_args).remove(filepath)


def rmtree(dir_path: PathLike, backend_args: Args = None) -> None:
    """Remove a folder and all that is in it."""
    _backend(dir_path, backend_args).rmtree(dir_path)


def copy_if_symlink_fails(src: PathLike, dst: PathLike, backend_args: Args = None) -> bool:
    """Link ``dst`` to ``src``, or copy it where that fails; return whether it links."""
    return _backend(src, backend_args).copy_if_symlink_fails(src, dst)


def list_dir_or_file(
    dir_path: PathLike,
    list_dir: bool = True,
    list_file: bool = True,
    suffix: str | tuple[str, ...] | None = None,
    recursive: bool = False,
    backend_args: Args = None,
) -> Iterator[str]:
    """Yield the paths below a folder, relative to it; hidden files are left out."""
    return _backend(dir_path, backend_args).list_dir_or_file(
        dir_path, list_dir, list_file, suffix, recursive
    )


def generate_presigned_url(
    url: str,
    client_method: str = "get_object",
    expires_in: int = 3600,
    backend_args: Args = None,
) -> str:
    """Return an address that anyone may use for ``expires_in`` seconds."""
    return _backend(url, backend_args).generate_presigned_url(url, client_method, expires_in)
