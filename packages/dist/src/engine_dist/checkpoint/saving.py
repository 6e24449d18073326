"""Write a checkpoint so that at any moment the old file is there, or the new one."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import serialization

from engine_config import fileio
from engine_dist.checkpoint.checksums import announce
from engine_dist.checkpoint.errors import UnsavableStateError
from engine_dist.checkpoint.savable import plain
from engine_dist.checkpoint.temporaries import temporary_beside

__all__ = ["is_local", "save_checkpoint"]


def save_checkpoint(
    checkpoint: Any,
    filename: str | os.PathLike[str],
    file_client_args: dict[str, Any] | None = None,
    backend_args: dict[str, Any] | None = None,
) -> None:
    """Write a state to a file: beside it first, then to the disk, then in its place.

    A process that is killed leaves the old file or the new one, and at most a hidden file beside.
    What is written loads by ``torch.load(weights_only=True)``; a checksum is kept beside it.

    Parameters
    ----------
    checkpoint : dict
        Tensors, and plain values in plain containers; numpy's values are made plain.
    filename : str or os.PathLike
        Where to; its folder is made if it is not there. With a scheme (``s3://…``) it is sent to
        that storage once it is whole.
    file_client_args, backend_args : dict, optional
        For the storage, as in ``engine_config.fileio``; the first is MMEngine's old name.

    Raises
    ------
    UnsavableStateError
        If the state holds what could not be loaded again without running code.
    OSError
        If it cannot be written; what was there is untouched.
    """
    name = os.fspath(filename)
    state = plain(checkpoint)
    if not isinstance(state, dict):
        raise UnsavableStateError(
            f"a checkpoint is a dict, got a {type(checkpoint).__name__}, which loading refuses: "
            "save it under a name, as {'state': …}"
        )
    settings = backend_args or file_client_args
    if is_local(name, settings):
        _save_local(state, Path(name))
        return
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "checkpoint.pth"
        _save_local(state, local)
        fileio.copyfile_from_local(str(local), name, backend_args=settings)


def is_local(path: str | os.PathLike[str], backend_args: Mapping[str, Any] | None) -> bool:
    """Tell whether a path, with the arguments of its storage, is one of this machine's files."""
    named = None if backend_args is None else backend_args.get("backend")
    return "://" not in os.fspath(path) and (backend_args is None or named in ("local", "disk"))


def _save_local(state: Any, path: Path) -> None:
    with replacing(path) as temporary:
        # by its name torch writes a file itself; through an object of Python's it takes longer
        write_state(state, temporary)
        flush(temporary)
        announce(temporary, path)


def flush(path: Path) -> None:
    """Put a written file on the disk."""
    with open(path, "r+b") as file:  # Windows flushes none that is open for reading only
        os.fsync(file.fileno())


def write_state(state: Any, file: Any) -> None:
    """Write a state to a path or an open file, with the sums that the checksum stands on."""
    crc = serialization.get_crc32_options()
    if not crc:  # whoever turned them off gets them for this file
        serialization.set_crc32_options(True)
    try:
        torch.save(state, file)
    except RuntimeError as error:
        if "PytorchStreamWriter" in str(error) or "inline_container" in str(error):
            raise _cannot_write(file, error) from error
        raise
    finally:
        if not crc:
            serialization.set_crc32_options(crc)


def _cannot_write(file: Any, error: RuntimeError) -> OSError:
    found = why_unwritable(file) if isinstance(file, (str, os.PathLike)) else None
    return found or OSError(f"the checkpoint cannot be written: {error}")


def why_unwritable(file: str | os.PathLike[str]) -> OSError | None:
    """Ask the system why a file cannot grow, which torch does not say; None where it can."""
    try:
        with open(file, "ab") as again:
            again.write(bytes(2**16))
    except OSError as reason:
        return OSError(reason.errno, reason.strerror)
    return None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a hidden file beside ``path``, which takes its place when the block ends well.

    A link keeps pointing where it does: what it points to is replaced.

    Raises
    ------
    OSError
        Which names ``path``, where it cannot be written or is no file to be replaced.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "there is something that is no file in its place", str(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(target) as temporary:
        try:
            yield temporary
            os.replace(temporary, target)
        except OSError as error:
            if error.errno is None:
                raise
            raise OSError(error.errno, error.strerror, str(path)) from error
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows cannot open folders
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
