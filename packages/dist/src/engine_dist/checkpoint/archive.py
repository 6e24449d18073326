"""The container of a checkpoint's bytes: torch's zip file, looked at without unpickling anything."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO

from engine_dist.checkpoint.errors import CorruptCheckpointError, UnsafeCheckpointError, said

ZIP_START = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_UNKNOWN = 0xFFFFFFFF  # the number stands in the entry's 64-bit part
_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch's number, pickled by protocol 2
_CODE = b"/constants.pkl"  # by which torch tells an archive of TorchScript
_LOCAL = 30  # bytes of the header before a record's name
_FLAGS = 0x808  # a name in UTF-8, and sizes behind the record, too: all that torch sets
_CHUNK = 2**20
_READERS = 8  # threads that sum a file; more of them wait for the memory


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a zip archive, as torch writes since 1.6."""
    with open(path, "rb") as file:
        return file.read(4) == ZIP_START


def read_directory(path: str | os.PathLike[str]) -> bytes:
    """Return the archive's central directory: every record's name, size, place and CRC.

    Raises
    ------
    CorruptCheckpointError
        Where there is none: the file was cut off or damaged.
    """
    with open(path, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(size - _END.size - _END64_LOCATOR.size, 0))
        tail = file.read()
        try:
            start, length = _locate(file, tail)
        except (struct.error, ValueError, OSError):
            start = length = -1
        if not 0 <= start <= start + length <= size:
            raise CorruptCheckpointError(
                f"{path} is cut off or damaged: a zip archive without a directory at its end"
            )
        file.seek(start)
        return file.read(length)


def _locate(file: IO[bytes], tail: bytes) -> tuple[int, int]:
    """Return where the central directory starts, and its length."""
    end = _END.unpack(tail[-_END.size :])
    locator = _END64_LOCATOR.unpack(tail[: _END64_LOCATOR.size])
    if end[0] != b"PK\x05\x06":
        raise ValueError("no end record")
    if locator[0] != b"PK\x06\x07":
        return end[6], end[5]
    file.seek(locator[2])
    end64 = _END64.unpack(file.read(_END64.size))
    if end64[0] != b"PK\x06\x06":
        raise ValueError("no 64-bit end record")
    return end64[9], end64[8]


def check_archive(path: str | os.PathLike[str], *, contents: bool) -> None:
    """Refuse an archive that torch did not write so, or whose bytes changed since.

    Parameters
    ----------
    contents
        Whether to read every record and hold it against its CRC; otherwise only the directory
        and the pickle are looked at (a memory-mapped file is not read in whole).

    Raises
    ------
    CorruptCheckpointError
        Which says what is wrong.
    """
    if not _looks_whole(path, contents):
        check_stream(path, os.fspath(path))  # which says what is wrong


def check_stream(source: str | os.PathLike[str] | IO[bytes], path: str) -> None:
    """Do what `check_archive` does to the whole of one, in a stream too; ``path`` is for errors."""
    try:
        with zipfile.ZipFile(source) as archive:
            records = archive.infolist()
            _check_names(path, records)
            for record in records:
                with archive.open(record) as opened:  # which holds what is read against the CRC
                    while opened.read(_CHUNK):
                        pass
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise CorruptCheckpointError(f"{path} is cut off or damaged: {said(error)}") from error


@dataclass(frozen=True)
class _Entry:
    """What the directory says of one record."""

    name: bytes
    size: int
    start: int
    crc: int
    plain: bool  # neither packed nor encrypted


def _entries(directory: bytes) -> Iterator[_Entry]:
    """Yield the directory's entries; struct.error or ValueError where it is none."""
    position = 0
    while position < len(directory):
        entry = _ENTRY.unpack_from(directory, position)
        if entry[0] != b"PK\x01\x02":
            raise ValueError("no entry of a directory")
        start = position + _ENTRY.size
        name = directory[start : start + entry[10]]
        size, place = entry[9], entry[-1]
        if _UNKNOWN in (size, entry[8], place):
            extra = directory[start + entry[10] : start + entry[10] + entry[11]]
            size, place = _in_64_bits(extra, size, entry[8], place)
        plain = entry[4] == 0 and entry[3] & ~_FLAGS == 0
        yield _Entry(name, size, place, entry[7], plain)
        position = start + entry[10] + entry[11] + entry[12]


def _in_64_bits(extra: bytes, size: int, packed: int, place: int) -> tuple[int, int]:
    position = 0
    while position < len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            numbers = iter(struct.unpack_from(f"<{length // 8}Q", extra, position + 4))
            size = next(numbers) if size == _UNKNOWN else size
            _ = next(numbers) if packed == _UNKNOWN else packed
            return size, next(numbers) if place == _UNKNOWN else place
        position += 4 + length
    raise ValueError("no 64-bit part of an entry")


def _looks_whole(path: str | os.PathLike[str], contents: bool) -> bool:
    """Check the names and the pickle, in a fraction of a millisecond, or all; False in doubt."""
    names: set[bytes] = set()
    entries: list[_Entry] = []
    try:
        for entry in _entries(read_directory(path)):
            name = entry.name
            if not entry.plain or b".." in name or b"\\" in name or name.startswith(b"/"):
                return False
            if name.lower() in names or name.lower().endswith(_CODE):
                return False
            names.add(name.lower())  # some readers of torch's do not tell the cases apart
            entries.append(entry)
    except (struct.error, ValueError, StopIteration):
        return False
    if len({name.split(b"/")[0] for name in names}) != 1:
        return False
    pickled = [entry for entry in entries if entry.name.endswith(b"/data.pkl")]
    return bool(pickled) and _sums_hold(path, entries if contents else pickled)


def _sums_hold(path: str | os.PathLike[str], entries: list[_Entry]) -> bool:
    """Hold records against their CRCs: many bytes in several threads, as summing lets the GIL go."""
    if sum(entry.size for entry in entries) < _CHUNK:
        return _share_holds(path, entries)
    readers = min(_READERS, os.cpu_count() or 1, len(entries))
    with ThreadPoolExecutor(readers) as pool:
        shares = [entries[first::readers] for first in range(readers)]
        return all(pool.map(partial(_share_holds, path), shares))


def _share_holds(path: str | os.PathLike[str], entries: list[_Entry]) -> bool:
    buffer = memoryview(bytearray(min(_CHUNK, max(entry.size for entry in entries))))
    with open(path, "rb", buffering=0) as file:
        return all(_crc_holds(file, entry, buffer) for entry in entries)


def record_sizes(path: str | os.PathLike[str]) -> dict[str, int]:
    """Return the length in bytes of every storage's record, by its key.

    Raises
    ------
    CorruptCheckpointError
        Where the archive has no directory.
    """
    return _storages(read_directory(path), str(path))


def stream_records(stream: IO[bytes]) -> dict[str, int]:
    """Return what `record_sizes` does, of a small archive that a stream holds from where it began."""
    end = stream.seek(0, io.SEEK_END)
    stream.seek(max(end - _END.size - _END64_LOCATOR.size, 0))
    start, length = _locate(stream, stream.read())
    stream.seek(start)
    return _storages(stream.read(length), "the stream")


def _storages(directory: bytes, name: str) -> dict[str, int]:
    try:
        parts = [(entry.name.decode().split("/"), entry.size) for entry in _entries(directory)]
    except (struct.error, ValueError, StopIteration) as error:
        raise CorruptCheckpointError(
            f"{name} is damaged: {said(error)} in its directory"
        ) from error
    return {part[2]: size for part, size in parts if len(part) == 3 and part[1] == "data"}


def check_old_format(path: str | os.PathLike[str]) -> None:
    """Refuse what is no file of torch's before 1.6: no zip archive, and nothing else it wrote.

    Raises
    ------
    CorruptCheckpointError
    """
    with open(path, "rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise CorruptCheckpointError(
                f"{path} is no checkpoint, or damaged: it does not begin as a file of torch.save does"
            )


def _crc_holds(file: IO[bytes], entry: _Entry, buffer: memoryview) -> bool:
    file.seek(entry.start)
    local = file.read(_LOCAL)
    if len(local) < _LOCAL or not local.startswith(ZIP_START):
        return False
    name, extra = struct.unpack("<2H", local[26:30])
    if file.read(name) != entry.name:
        return False
    file.seek(extra, io.SEEK_CUR)
    crc, left = 0, entry.size
    while left:
        count = file.readinto(buffer[:left])  # type: ignore[attr-defined]  # of a file
        if not count:
            return False
        crc, left = zlib.crc32(buffer[:count], crc), left - count
    return crc == entry.crc


def _check_names(path: str, records: list[zipfile.ZipInfo]) -> None:
    names = [PurePosixPath(record.filename) for record in records]
    roots = {name.parts[0] if name.parts else "" for name in names}
    code = [r.filename for r in records if r.filename.lower().encode().endswith(_CODE)]
    if code:
        raise UnsafeCheckpointError(
            path, (), f"it is an archive of TorchScript ({code[0]}), which is a program", True
        )
    odd = [
        record.filename
        for record, name in zip(records, names, strict=True)
        if name.is_absolute() or ".." in name.parts or "\\" in record.filename
        or record.compress_type != zipfile.ZIP_STORED
    ]  # fmt: skip
    once = len({str(name).casefold() for name in names}) == len(names)
    if odd or len(roots) != 1 or not once:
        raise CorruptCheckpointError(
            f"{path} is no checkpoint that torch.save wrote: its records must be unpacked, in one "
            f"folder and there once; found {odd[:3] or sorted(roots)[:3]}"
        )


def directory_digest(path: str | os.PathLike[str]) -> str:
    """Return a digest of the directory, which by each record's CRC covers the whole file."""
    return hashlib.sha256(read_directory(path)).hexdigest()
