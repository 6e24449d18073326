"""Files kept as the values of an LMDB database."""

from __future__ import annotations

import io
import os
from types import ModuleType
from typing import Any

from engine_config.fileio.backend import BaseStorageBackend, PathLike, content_of


class LmdbBackend(BaseStorageBackend):
    """The values of one LMDB database, by key.

    Parameters
    ----------
    db_path
        The folder of the database.
    readonly, lock, readahead
        As ``lmdb.open``; ``put`` and ``remove`` need ``readonly=False``.
    **kwargs
        More for ``lmdb.open``.
    """

    def __init__(
        self,
        db_path: PathLike,
        readonly: bool = True,
        lock: bool = False,
        readahead: bool = False,
        **kwargs: Any,
    ) -> None:
        _library()  # fail here, not at the first read
        self.db_path = str(db_path)
        self._options = {"readonly": readonly, "lock": lock, "readahead": readahead, **kwargs}
        self._opened: tuple[int, Any] | None = None

    @property
    def _database(self) -> Any:
        # LMDB must not be used across a fork: a data loader's worker opens its own.
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = os.getpid(), _library().open(self.db_path, **self._options)
        return self._opened[1]

    def get(self, filepath: PathLike) -> bytes:
        """Return the value of a key.

        Raises
        ------
        FileNotFoundError
            There is no such key.
        """
        with self._database.begin(write=False) as transaction:
            value = transaction.get(str(filepath).encode())
        if value is None:
            raise FileNotFoundError(f"there is no key {str(filepath)!r} in {self.db_path}")
        return bytes(value)

    def get_text(self, filepath: PathLike, encoding: str | None = None) -> str:
        """Return the text of a value, with plain newlines."""
        return super().get_text(filepath, encoding)

    def put(self, obj: bytes | io.BytesIO, filepath: PathLike) -> None:
        """Set the value of a key."""
        content = content_of(obj)
        with self._database.begin(write=True) as transaction:
            transaction.put(str(filepath).encode(), content)

    def exists(self, filepath: PathLike) -> bool:
        """Whether there is such a key."""
        with self._database.begin(write=False) as transaction:
            return transaction.get(str(filepath).encode()) is not None

    def isdir(self, filepath: PathLike) -> bool:
        """Return False: keys are flat."""
        return False

    def remove(self, filepath: PathLike) -> None:
        """Remove a key."""
        with self._database.begin(write=True) as transaction:
            transaction.delete(str(filepath).encode())

    def close(self) -> None:
        """Close the database."""
        if self._opened is not None and self._opened[0] == os.getpid():
            self._opened[1].close()
        self._opened = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


def _library() -> ModuleType:
    try:
        import lmdb
    except ImportError as error:
        raise ImportError("LmdbBackend needs lmdb: pip install engine-config[lmdb]") from error
    return lmdb  # type: ignore[no-any-return,unused-ignore]  # it may not be installed
