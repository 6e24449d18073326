"""What is to be predicted for: one, many, a folder, a stream; in chunks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from engine_config.fileio import get_file_backend

__all__ = ["as_list", "as_stream", "in_chunks"]

T = TypeVar("T")


def as_list(inputs: Any) -> list[Any]:
    """Return inputs as a list: a list or tuple as it is, a folder as its files, any other as one.

    An iterator or a generator is one that is read to its end.
    """
    return list(as_stream(inputs))


def as_stream(inputs: Any) -> Iterator[Any]:
    """Yield inputs one by one, as `as_list` takes them, an iterator's as they come."""
    if isinstance(inputs, (str, os.PathLike)):
        files = _files(os.fspath(inputs))
        return iter([inputs] if files is None else files)
    if isinstance(inputs, (list, tuple, Iterator)):
        return iter(inputs)
    return iter([inputs])


def _files(path: str) -> list[str] | None:
    """Return what lies in a folder, in order of its names; None for anything else."""
    backend = get_file_backend(path)
    is_folder = getattr(backend, "isdir", None)
    if is_folder is None or not is_folder(path):
        return None
    names = backend.list_dir_or_file(path, list_dir=False)
    return [backend.join_path(path, name) for name in sorted(names)]


def in_chunks(inputs: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the inputs in lists of ``size``, the last of what is left.

    Raises
    ------
    ValueError
        If ``size`` is not a whole number from 1.
    """
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"batch_size is a whole number from 1, got {size!r}")
    stream = iter(inputs)
    while chunk := list(islice(stream, size)):
        yield chunk
