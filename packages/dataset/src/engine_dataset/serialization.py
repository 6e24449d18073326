"""Records of a dataset as one block of bytes, held once by all processes of a node."""

from __future__ import annotations

import ctypes
import itertools
import pickle
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .shared_memory import SharedBytes, adopt

_CHUNK = 1 << 12  # records that are in memory twice


class Records:
    """Pickled records with random access; what is behind it is shared, not copied.

    Parameters
    ----------
    shared
        The records' bytes, one after the other, and behind them their ends (int64).
    count
        How many records there are.
    chosen
        Numbers of the records that this object shows, in order; None for all.

    Examples
    --------
    >>> records = Records.of([{"label": 0}, {"label": 1}, {"label": 2}])
    >>> records[1], len(records), records.take([2, 0])[0]
    ({'label': 1}, 3, {'label': 2})
    """

    def __init__(
        self, shared: SharedBytes, count: int, chosen: NDArray[np.int64] | None = None
    ) -> None:
        self._shared = shared
        self._count = count
        self._chosen = chosen
        self._open()

    def _open(self) -> None:
        view = self._shared.view
        split = len(view) - 8 * (self._count + 1)
        self._bytes = view[:split]
        self._bounds = view[split:].cast("q")

    @classmethod
    def of(cls, records: Sequence[Any]) -> Records:
        """Pickle records, one by one, into shared memory.

        Raises
        ------
        TypeError
            If a record cannot be pickled.
        """
        return cls(adopt(SharedBytes.write(_pickled(records))), len(records))

    def __len__(self) -> int:
        return self._count if self._chosen is None else len(self._chosen)

    def __getitem__(self, index: int) -> Any:
        """Return a new copy of a record.

        Raises
        ------
        IndexError
            If the index is out of range.
        """
        count = self._count if self._chosen is None else len(self._chosen)
        if index < 0:
            index += count
        if not 0 <= index < count:
            raise IndexError(f"record {index} of {count}")
        if self._chosen is not None:
            index = int(self._chosen[index])
        bounds = self._bounds
        return pickle.loads(self._bytes[bounds[index] : bounds[index + 1]])

    def take(self, indices: Iterable[int]) -> Records:
        """Return the records of these indices, in their order, over the same bytes."""
        wanted = np.fromiter(indices, dtype=np.int64)
        beyond = wanted[(wanted < -len(self)) | (wanted >= len(self))]
        if len(beyond):
            raise IndexError(f"record {beyond[0]} of {len(self)}")
        wanted %= len(self) or 1
        chosen = wanted if self._chosen is None else self._chosen[wanted]
        return Records(self._shared, self._count, chosen)

    @property
    def nbytes(self) -> int:
        """The size of the shared memory, in bytes."""
        return len(self._shared)

    def __getstate__(self) -> tuple[SharedBytes, int, NDArray[np.int64] | None]:
        return self._shared, self._count, self._chosen

    def __setstate__(self, state: tuple[SharedBytes, int, NDArray[np.int64] | None]) -> None:
        self._shared, self._count, self._chosen = state
        self._open()


def _pickled(records: Sequence[Any]) -> Iterator[bytes]:
    ends = [np.zeros(1, dtype=np.int64)]
    count = total = 0
    iterator = iter(records)
    while chunk := _dumped(list(itertools.islice(iterator, _CHUNK)), count):
        yield b"".join(chunk)  # rather than a million small writes
        count += len(chunk)
        sizes = np.fromiter(map(len, chunk), dtype=np.int64, count=len(chunk))
        ends.append(total + sizes.cumsum())
        total = int(ends[-1][-1])
    yield bytes(-total % 8)  # so that the numbers are aligned
    yield from (part.tobytes() for part in ends)


def _dumped(records: list[Any], first: int) -> list[bytes]:
    try:
        return list(map(pickle.dumps, records, itertools.repeat(5)))
    except Exception as error:  # objects raise whatever they like
        number = first + next(n for n, record in enumerate(records) if not _pickles(record))
        raise TypeError(
            f"entry {number} cannot be pickled, which serialize_data=True needs: {error}"
        ) from error


def _pickles(record: object) -> bool:
    try:
        pickle.dumps(record, 5)
    except Exception:
        return False
    return True


def give_back_memory() -> None:
    """Let the C library return what many small freed objects leave, or workers inherit it."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
        if trim is not None:
            trim(0)
