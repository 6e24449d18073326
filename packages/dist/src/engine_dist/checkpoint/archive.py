"""The container of a checkpoint's bytes: torch's zip file, looked at without unpickling anything."""

from __future__ import annotations

import hashlib
import io
import os
import pickletools
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import PurePosixPath
from typing import IO

from engine_dist.checkpoint.errors import CorruptCheckpointError

_ZIP = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = 30  # bytes of the header before a record's name
_CHUNK = 2**22


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is a zip archive, as torch writes since 1.6."""
    with open(path, "rb") as file:
        return file.read(4) == _ZIP


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
    if not contents and _looks_whole(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            _check_names(path, records)
            for record in records:
                with archive.open(record) as opened:  # which holds what is read against the CRC
                    while opened.read(_CHUNK):
                        pass
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise CorruptCheckpointError(f"{path} is cut off or damaged: {error}") from error


def _looks_whole(path: str | os.PathLike[str]) -> bool:
    """Check the names and the pickle in a fraction of a millisecond; False where in doubt."""
    directory = read_directory(path)
    position, pickled = 0, None
    try:
        while position < len(directory):
            entry = _ENTRY.unpack_from(directory, position)
            start = position + _ENTRY.size
            name = directory[start : start + entry[10]]
            if entry[4] or b".." in name or b"\\" in name or name.startswith(b"/"):
                return False
            if name.endswith(b"/data.pkl"):
                pickled = entry
            position = start + entry[10] + entry[11] + entry[12]
    except struct.error:
        return False
    return pickled is not None and _crc_holds(path, pickled[-1], pickled[9], pickled[7])


def _crc_holds(path: str | os.PathLike[str], start: int, size: int, crc: int) -> bool:
    with open(path, "rb") as file:
        file.seek(start)
        local = file.read(_LOCAL)
        if len(local) < _LOCAL:
            return False
        file.seek(sum(struct.unpack("<2H", local[26:30])), io.SEEK_CUR)
        return zlib.crc32(file.read(size)) == crc


def _check_names(path: str | os.PathLike[str], records: list[zipfile.ZipInfo]) -> None:
    names = [PurePosixPath(record.filename) for record in records]
    roots = {name.parts[0] if name.parts else "" for name in names}
    odd = [
        record.filename
        for record, name in zip(records, names, strict=True)
        if name.is_absolute() or ".." in name.parts or "\\" in record.filename
        or record.compress_type != zipfile.ZIP_STORED
    ]  # fmt: skip
    if odd or len(roots) != 1 or len(set(names)) != len(names):
        raise CorruptCheckpointError(
            f"{path} is no checkpoint that torch.save wrote: its records must be unpacked, in one "
            f"folder and there once; found {odd[:3] or sorted(roots)[:3]}"
        )


def directory_digest(path: str | os.PathLike[str]) -> str:
    """Return a digest of the directory, which by each record's CRC covers the whole file."""
    return hashlib.sha256(read_directory(path)).hexdigest()


def pickled_globals(path: str | os.PathLike[str]) -> set[str]:
    """Return every global that a checkpoint's pickles name, reading them as data.

    A file too odd to be read so gives what was found before the oddity.
    """
    found: set[str] = set()
    # whoever asks knows already that the file cannot be loaded
    with suppress(ValueError, EOFError, zipfile.BadZipFile, OSError, KeyError, RecursionError):
        if not is_archive(path):
            with open(path, "rb") as file:
                _collect_globals(file, found)
            return found
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".pkl"):
                    _collect_globals(io.BytesIO(archive.read(name)), found)
    return found


def _collect_globals(stream: IO[bytes], found: set[str]) -> None:
    while stream.read(1):
        stream.seek(-1, io.SEEK_CUR)
        strings: list[str] = []
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name in ("GLOBAL", "INST"):
                module, _, name = str(argument).partition(" ")
                found.add(modern_name(module, name))
            elif opcode.name == "STACK_GLOBAL" and len(strings) > 1:
                found.add(".".join(strings[-2:]))
            elif isinstance(argument, str):
                strings.append(argument)


def modern_name(module: str, name: str) -> str:
    """Say Python 2's name of a built-in as Python 3 does; the pickles of torch use the former."""
    return f"{'builtins' if module == '__builtin__' else module}.{name}"
