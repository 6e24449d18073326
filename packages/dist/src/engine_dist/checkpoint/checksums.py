"""A checksum beside each checkpoint, and whether a checkpoint is whole by it."""

from __future__ import annotations

import errno
import json
import os
import stat
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine_dist.checkpoint.archive import check_archive, directory_digest, is_archive
from engine_dist.checkpoint.errors import (
    CorruptCheckpointError,
    MissingCheckpointError,
    UnsafeCheckpointError,
    printable,
    said,
)
from engine_dist.checkpoint.temporaries import SIGNATURE, remove_folder, temporary_beside

__all__ = ["remove_checkpoint", "sign_checkpoint", "signer", "verify_checkpoint"]

#: in a sharded checkpoint's folder: file name to length and CRC
FOLDER_SUMS = "checksums.json"
#: how the files end in which DeepSpeed's engine saves models
ENGINE_FILES = "model_states.pt"
#: what every folder holds that ColossalAI's booster writes
BOOSTERS = ("meta.pth", "model")
_CHUNK = 2**22
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


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
    """Write a small file, through a link to it too, so that it is there whole or not at all."""
    path = Path(os.path.realpath(path))
    with temporary_beside(path) as temporary:
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # which does not say of which file
            raise OSError(error.errno, error.strerror, str(path)) from error
        os.replace(temporary, path)


def sign_checkpoint(path: str | os.PathLike[str], by: str) -> None:
    """Note beside a checkpoint, or in its folder, who wrote it, until it is written anew."""
    note = sum_file(Path(path))
    if Path(path).is_dir():
        write_durably(Path(path) / SIGNATURE, json.dumps({"by": by}).encode())
    elif note.is_file():
        write_durably(note, json.dumps({**_sums(note), "by": by}).encode())


def signer(path: str | os.PathLike[str]) -> str | None:
    """Return who `sign_checkpoint` says has written a checkpoint."""
    note = Path(path) / SIGNATURE if Path(path).is_dir() else sum_file(Path(path))
    try:
        by = _sums(note).get("by") if note.is_file() else None
    except CorruptCheckpointError:
        return None
    return by if isinstance(by, str) else None


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
    # DeepSpeed's folders have no .metadata; those that MMEngine wrote have no checksums either
    known = any(folder.glob(f"*{ENGINE_FILES}")) or all((folder / n).exists() for n in BOOSTERS)
    if not known and not (folder / ".metadata").is_file():
        raise CorruptCheckpointError(f"{folder} is no whole sharded checkpoint: no .metadata")
    for part in (folder, *(inner for inner in sorted(folder.iterdir()) if inner.is_dir())):
        sums = folder_sums(part) or {}
        check_sizes(part, sums)
        for name, noted in sums.items():
            check_sum(part / name, noted)


def folder_sums(folder: Path) -> dict[str, dict[str, int]] | None:
    """Return the length and CRC of each file of a sharded checkpoint; None where none are noted.

    Raises
    ------
    UnsafeCheckpointError
        If a file outside of the folder is among them.
    CorruptCheckpointError
        If they cannot be read.
    """
    note = folder / FOLDER_SUMS
    if not os.path.lexists(note):
        return None
    file_size(note)
    sums = _sums(note)
    for name, noted in sums.items():
        if os.path.basename(name) != name or name in ("", ".", ".."):
            raise UnsafeCheckpointError(
                str(note), (), f"it points to the file {name[:200]!r}", part=True
            )
        numbers = [noted.get(key) for key in ("bytes", "crc32")] if type(noted) is dict else []
        if [type(number) for number in numbers] != [int, int]:
            raise CorruptCheckpointError(f"{note} holds no checksum of {printable(name[:200])}")
    return sums


def check_sizes(folder: Path, sums: Mapping[str, Mapping[str, int]]) -> None:
    """See that each file is as long as it was; that needs no reading."""
    for name, noted in sums.items():
        size = file_size(folder / name)
        if size != noted["bytes"]:
            raise CorruptCheckpointError(
                f"{folder / name} has {size} bytes, and had {noted['bytes']} when it was saved"
            )


def check_sum(file: Path, noted: Mapping[str, int]) -> None:
    """See that a file is the one whose checksum was noted."""
    if file_sum(file)["crc32"] != noted["crc32"]:
        raise CorruptCheckpointError(
            f"{file} is not the file whose checksum {FOLDER_SUMS} holds: it was changed or damaged"
        )


def file_size(path: Path) -> int:
    """Return a file's length, without opening it: what is no file may never answer.

    Raises
    ------
    CorruptCheckpointError
        If there is no such file.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: no name that the system has
        if isinstance(error, OSError) and error.errno not in _NO_FILE:
            raise
        raise CorruptCheckpointError(f"{printable(str(path)[:500])} is missing") from error
    if not stat.S_ISREG(found.st_mode):
        raise CorruptCheckpointError(f"{printable(str(path))} is no regular file")
    return found.st_size


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
    except (ValueError, RecursionError) as error:
        raise CorruptCheckpointError(
            f"the checksum {note} cannot be read: {said(error)}"
        ) from error
    if not isinstance(found, dict):
        raise CorruptCheckpointError(f"the checksum {note} holds {type(found).__name__}, no dict")
    return found


def remove_checkpoint(path: str | os.PathLike[str]) -> None:
    """Remove a checkpoint, a file or a sharded one's folder, and its checksum, if it is there."""
    path = Path(path)
    note = sum_file(path)
    if path.is_dir() and not path.is_symlink():
        remove_folder(path)
    path.unlink(missing_ok=True)
    note.unlink(missing_ok=True)
