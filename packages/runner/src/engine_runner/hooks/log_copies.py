"""Copies of a run's logs elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine_config.fileio import join_path, put
from engine_runner.logging.outages import going_on_without

__all__ = ["LogCopies"]


class LogCopies:
    """Copies the files of a folder to a storage.

    Parameters
    ----------
    out_dir : str or Path
        A folder, or the URI of one.
    suffixes : sequence of str
        How the names end of the files that are copied.
    keep_local : bool
        Whether to keep those that were copied.
    backend_args : mapping, optional
        What the storage is reached with.
    """

    def __init__(
        self,
        out_dir: str | Path,
        suffixes: Sequence[str],
        keep_local: bool = True,
        backend_args: Mapping[str, Any] | None = None,
    ) -> None:
        self._out_dir = out_dir
        self._suffixes = tuple(suffixes)
        self._keep_local = keep_local
        self._args = None if backend_args is None else dict(backend_args)

    def make(self, folder: Path, name: str) -> Iterator[str]:
        """Copy into a folder of that name, subfolders and all; give where each copy is.

        What cannot be copied is logged and kept.
        """
        told: set[str] = set()
        for file in sorted(folder.rglob("*")):
            if not file.is_file() or not file.name.endswith(self._suffixes):
                continue
            parts = name, *file.relative_to(folder).parts
            copy = join_path(self._out_dir, *parts, backend_args=self._args)
            with going_on_without(copy, told):
                put(file.read_bytes(), copy, backend_args=self._args)
                if not self._keep_local:
                    file.unlink()
                yield copy
