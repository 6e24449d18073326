"""Read a sharded checkpoint's folder without running what its files say, or believing it."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from engine_dist.checkpoint.agreement import as_checkpoint_error
from engine_dist.checkpoint.archive import check_stream
from engine_dist.checkpoint.checksums import check_sizes, check_sum, folder_sums
from engine_dist.checkpoint.errors import CorruptCheckpointError
from engine_dist.checkpoint.folders import find_folder
from engine_dist.checkpoint.loading import read_stream
from engine_dist.checkpoint.nesting import Misfit
from engine_dist.checkpoint.sharded_metadata import (
    METADATA,
    Place,
    ShardedContents,
    entry_name,
    read_contents,
)
from engine_dist.checkpoint.sharded_names import KEPT, rebuilt
from engine_dist.checkpoint.sharded_records import place_key

__all__ = ["ShardReader", "check_sums", "open_folder", "read_sharded"]

_SMALL = 2**20  # bytes, which are read at once


@dataclass
class OpenFolder:
    """A folder whose metadata, and the lengths of whose files, are as they should be."""

    contents: ShardedContents
    sums: dict[str, dict[str, int]] | None


def open_folder(folder: Path) -> OpenFolder:
    """Look at all that a folder says, before anything of its files is read."""
    contents = read_contents(folder)
    sums = folder_sums(folder)
    if sums is not None:
        check_sizes(folder, sums)
        lost = [name for name in (METADATA, *contents.sizes) if name not in sums]
        if lost:
            raise CorruptCheckpointError(
                f"{folder / lost[0]} has no checksum where the other files have one"
            )
    return OpenFolder(contents, sums)


def check_sums(opened: OpenFolder, rank: int = 0, world_size: int = 1) -> None:
    """Hold files against their checksums, this process its share of them."""
    sums = opened.sums or {}
    for name in sorted(sums)[rank::world_size]:
        check_sum(opened.contents.folder / name, sums[name])


class _Stretch(io.RawIOBase):
    """A stretch of an open file, as a file."""

    def __init__(self, file: IO[bytes], start: int, length: int) -> None:
        super().__init__()
        self._file, self._start, self._length = file, start, length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        count = max(min(len(view), self._length - self._position), 0)
        self._file.seek(self._start + self._position)
        read = self._file.readinto(view[:count])  # type: ignore[attr-defined]  # IO leaves it out
        self._position += read
        return int(read)


def _stretch(file: IO[bytes], place: Place) -> IO[bytes]:
    if place.length > _SMALL:
        return cast(IO[bytes], _Stretch(file, place.start, place.length))
    file.seek(place.start)
    return io.BytesIO(file.read(place.length))


@dataclass
class ShardReader:
    """Reads entries, each held against what the metadata says of it; a context manager.

    Parameters
    ----------
    opened
        The folder.
    dry
        Whether entries are only looked at: chunks then have no bytes.
    crc
        Whether each record is held against its CRC, as in a folder without checksums.
    """

    opened: OpenFolder
    dry: bool = False
    crc: bool = False
    _files: dict[str, IO[bytes]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> ShardReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def value(self, name: str) -> Any:
        """Return what is no tensor."""
        return self._read(name, place_key(name, None), "cpu")

    def chunk(self, name: str, index: int) -> Tensor:
        """Return a tensor's chunk of this number."""
        entry = cast(TensorStorageMetadata, self.opened.contents.entries[name])
        chunk = entry.chunks[index]
        found = self._read(name, place_key(name, chunk.offsets), "meta" if self.dry else "cpu")
        dtype = entry.properties.dtype
        if (
            not isinstance(found, Tensor)
            or found.layout is not torch.strided
            or (found.shape, found.dtype) != (chunk.sizes, dtype)
        ):
            raise CorruptCheckpointError(
                f"{entry_name(name)} in {self.opened.contents.folder} is {_shown(found)}, where its "
                f"metadata has a tensor of {tuple(chunk.sizes)} and {dtype}"
            )
        return found.detach()

    def _read(self, name: str, key: tuple[str, str], device: str) -> Any:
        place = self.opened.contents.places[key]
        path = self.opened.contents.folder / place.file
        if place.file not in self._files:
            file = open(path, "rb")  # noqa: SIM115  # closed with this reader
            self._files[place.file] = self._stack.enter_context(file)
        stretch = _stretch(self._files[place.file], place)
        what = f"{entry_name(name)} in {path}"
        if self.crc:
            check_stream(stretch, what)
            stretch.seek(0)
        return read_stream(stretch, what, device)


def _shown(found: object) -> str:
    if isinstance(found, Tensor):
        return f"one of {tuple(found.shape)}, {found.dtype} and {found.layout}"
    return f"a {type(found).__name__}"


def read_sharded(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the whole state of a sharded checkpoint on the CPU of this one process.

    Raises
    ------
    CheckpointError
        If the folder is none, is damaged or is unsafe.
    """
    try:
        return _read_whole(find_folder(path))
    except Exception as error:
        told = as_checkpoint_error(error, f"loading {path} failed", CorruptCheckpointError)
        raise told from (None if told is error else error)


def _read_whole(folder: Path) -> dict[str, Any]:
    opened = open_folder(folder)
    check_sums(opened)
    contents = opened.contents
    with ShardReader(opened, crc=opened.sums is None) as reader:
        values = {name: _entry(reader, name) for name in contents.entries}
    kept = [entry for name in list(values) if name.startswith(KEPT) for entry in values.pop(name)]
    try:
        return rebuilt(contents.paths, values, kept)
    except Misfit as misfit:
        raise CorruptCheckpointError(f"{folder / METADATA} is damaged: {misfit}") from misfit


def _entry(reader: ShardReader, name: str) -> Any:
    entry = reader.opened.contents.entries[name]
    if not isinstance(entry, TensorStorageMetadata):
        return reader.value(name)
    made = torch.empty(entry.size, dtype=entry.properties.dtype)
    for index, chunk in enumerate(entry.chunks):
        if chunk.sizes.numel():
            spans = zip(chunk.offsets, chunk.sizes, strict=True)
            made[tuple(slice(start, start + size) for start, size in spans)] = reader.chunk(
                name, index
            )
    return made
