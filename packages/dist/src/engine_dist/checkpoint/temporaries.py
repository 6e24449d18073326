"""Files and folders in the making: beside what they will replace, and cleared when their writer died.

Whoever writes holds a lock on what it writes. The system lets go of it when the process ends, however
it ends, so that a lock that can be had marks what nobody will finish.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

__all__ = ["LOCK", "clear_leftovers", "incomplete", "locked", "temporary_beside"]

logger = logging.getLogger("engine.dist")

#: in the folder of a sharded checkpoint while it is made
LOCK = ".engine.lock"
_ENDING = ".tmp"
_INFIX = ".engine-"
_SUM = ".sum"


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Make a hidden, empty file beside ``path`` with the permissions of any new file.

    It is removed at the end of the block, unless it has been renamed.
    """
    name = f".{path.name}{_INFIX}{os.urandom(8).hex()}{_ENDING}"
    temporary = path.with_name(name)
    with locked(temporary, os.O_CREAT | os.O_EXCL):
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, flags: int = os.O_CREAT) -> Iterator[None]:
    """Hold a lock on a file, where the system has any."""
    handle = os.open(path, os.O_RDWR | flags, 0o666)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock a file without waiting; False where another has it, or there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows, which lets nobody remove what is open
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def incomplete(folder: Path) -> Path:
    """Return where a sharded checkpoint is made."""
    return folder.with_name(f"{folder.name}.incomplete")


def clear_leftovers(folder: str | os.PathLike[str]) -> list[str]:
    """Remove what processes that died have left in a folder while they saved checkpoints there.

    Only what this package has made and nobody works on any more: hidden files, folders in the making,
    and checksums whose checkpoint never came.

    Returns
    -------
    list of str
        The names that were removed.
    """
    home = Path(folder)
    gone: list[str] = []
    if not home.is_dir():
        return gone
    for file in home.glob(f".*{_INFIX}*{_ENDING}"):
        if file.is_file() and not file.is_symlink() and _is_dead(file):
            file.unlink(missing_ok=True)
            gone.append(file.name)
    for made in home.glob("*.incomplete"):
        if (made / LOCK).is_file() and _is_dead(made / LOCK):
            shutil.rmtree(made, ignore_errors=True)
            gone.append(made.name)
    gone += [note.name for note in home.glob(f"*{_SUM}") if _clear_sum(note)]
    if gone:
        logger.info("removed what a killed process had left in %s: %s", home, ", ".join(gone))
    return gone


def _is_dead(file: Path) -> bool:
    try:
        handle = os.open(file, os.O_RDWR)
    except OSError:
        return False
    try:
        return _lock(handle)
    finally:
        os.close(handle)


def _clear_sum(note: Path) -> bool:
    """Remove a checksum without a checkpoint, unless one is about to come."""
    checkpoint = note.with_name(note.name.removesuffix(_SUM))
    if list(note.parent.glob(f".{escape(checkpoint.name)}{_INFIX}*{_ENDING}")):
        return False
    if os.path.lexists(checkpoint) or not _is_ours(note):
        return False
    with suppress(OSError):
        note.unlink()
    return True


def _is_ours(note: Path) -> bool:
    try:
        found = json.loads(note.read_bytes()) if note.stat().st_size < 2**16 else None
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and list(found) == ["one-of"]
