"""A checksum beside each checkpoint, and whether a checkpoint is whole by it."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine_dist.checkpoint.archive import check_archive, directory_digest, is_archive
from engine_dist.checkpoint.errors import CorruptCheckpointError, MissingCheckpointError
from engine_dist.checkpoint.temporaries import temporary_beside

__all__ = ["remove_checkpoint", "verify_checkpoint"]

#: in a sharded checkpoint's folder: file name to length and CRC
FOLDER_SUMS = "checksums.json"
_CHUNK = 2**22


def sum_file(path: Path) -> Path:
    """Return where the checksum of a checkpoint stands: beside the file, not beside a link to it."""
    path = Path(os.path.realpath(path))
    return path.with_name(f"{path.name}.sum")


def _describe(path: Path) -> dict[str, Any]:
    # the directory of the archive holds the CRC of every record, so its digest covers all bytes
    # at no cost: torch computes the CRCs anyway
    return {"bytes": path.stat().st_size, "directory-sha256": directory_digest(path)}


def announce(content: Path, path: Path) -> None:
    """Note the checksum of a file that is about to take a checkpoint's place.

    The checksum of the file that is there stays too: at whatever moment the process dies, the
    file in place is one of the two.  A damaged one, as a crash may leave, has none to keep.
    """
    known = [_describe(content)]
    if path.is_file() and is_archive(path):
        with suppress(CorruptCheckpointError):
            known.append(_describe(path))
    write_durably(sum_file(path), json.dumps({"one-of": known}).encode())


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file so that it is there whole or not at all."""
    with temporary_beside(path) as temporary:
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # which does not say of which file
            raise OSError(error.errno, error.strerror, str(path)) from error
        os.replace(temporary, path)


def verify_checkpoint(path: str | os.PathLike[str]) -> None:
    """Read a checkpoint's bytes and hold them against their checksums; nothing is unpickled.

    A checkpoint that another program wrote has none beside it; then those in the file count.

    Raises
    ------
    MissingCheckpointError
        If there is no such file or folder.
    CorruptCheckpointError
        If the checkpoint is not whole.
    """
    path = Path(path)
    if path.is_dir():
        _verify_folder(path)
        return
    if not path.is_file():
        raise MissingCheckpointError(f"there is no checkpoint {path}")
    if not is_archive(path):
        if sum_file(path).is_file() or not path.stat().st_size:
            raise CorruptCheckpointError(f"{path} is damaged: it does not begin as it should")
        return  # of torch before 1.6: it has no checksums
    check_archive(path, contents=True)
    note = sum_file(path)
    if note.is_file() and _describe(path) not in _noted(note):
        raise CorruptCheckpointError(f"{path} is not the file whose checksum {note.name} holds")


def _verify_folder(folder: Path) -> None:
    if not (folder / ".metadata").is_file():
        raise CorruptCheckpointError(f"{folder} is no whole sharded checkpoint: no .metadata")
    note = folder / FOLDER_SUMS
    for name, noted in _sums(note).items() if note.is_file() else ():
        file = folder / os.path.basename(name)
        if not file.is_file() or file_sum(file) != noted:
            raise CorruptCheckpointError(f"{file} is not the file whose checksum {note} holds")


def file_sum(path: Path) -> dict[str, int]:
    """Return a file's length and CRC."""
    crc = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return {"bytes": path.stat().st_size, "crc32": crc}


def _noted(note: Path) -> list[Any]:
    known = _sums(note).get("one-of", [])
    return known if isinstance(known, list) else []


def _sums(note: Path) -> dict[str, Any]:
    try:
        found = json.loads(note.read_bytes())
    except ValueError as error:
        raise CorruptCheckpointError(f"the checksum {note} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise CorruptCheckpointError(f"the checksum {note} holds {type(found).__name__}, no dict")
    return found


def remove_checkpoint(path: str | os.PathLike[str]) -> None:
    """Remove a checkpoint, a file or a sharded one's folder, and its checksum, if it is there."""
    path = Path(path)
    note = sum_file(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    note.unlink(missing_ok=True)
