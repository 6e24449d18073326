"""Files and folders in the making: beside what they will replace, and cleared when their writer died."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from engine_config.formats import atomic
from engine_config.formats.atomic import ENDING, INFIX, is_dead, locked

__all__ = [
    "LOCK",
    "SIGNATURE",
    "clear_leftovers",
    "incomplete",
    "locked",
    "remove_folder",
    "temporary_beside",
]

logger = logging.getLogger("engine.dist")

#: in the folder of a sharded checkpoint while it is made
LOCK = ".engine.lock"
#: in such a folder: who wrote it
SIGNATURE = "signature.json"
_SUM = ".sum"
_REPLACED = ".replaced"
_METADATA, _SUMS = ".metadata", "checksums.json"


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Make a hidden, empty file beside ``path`` with the permissions of any new file.

    It is removed at the end of the block, unless it has been renamed.
    """
    with atomic.temporary_beside(str(path)) as temporary:
        yield Path(temporary)


def incomplete(folder: Path) -> Path:
    """Return where a sharded checkpoint is made."""
    return folder.with_name(f"{folder.name}.incomplete")


def remove_folder(folder: Path) -> None:
    """Remove a sharded checkpoint; one that is half removed has the name of one half made."""
    gone = incomplete(folder)
    shutil.rmtree(gone, ignore_errors=True)
    with locked(folder / LOCK):
        folder.rename(gone)
        for part in gone.iterdir():
            if part.name != LOCK:  # by which it is known as a leftover, until nothing else is left
                part.unlink() if not part.is_dir() else shutil.rmtree(part)
        shutil.rmtree(gone)


def clear_leftovers(folder: str | os.PathLike[str]) -> list[str]:
    """Remove what processes that died have left in a folder while they wrote there.

    Only what these packages have made and nobody works on any more: hidden files, folders in the
    making and those that were replaced, and checksums whose checkpoint never came.

    Returns
    -------
    list of str
        The names that were removed.
    """
    home = Path(folder)
    gone: list[str] = []
    if not home.is_dir():
        return gone
    for file in home.glob(f".*{INFIX}*{ENDING}"):
        if file.is_file() and not file.is_symlink() and is_dead(file):
            file.unlink(missing_ok=True)
            gone.append(file.name)
    for made in home.glob("*.incomplete"):
        if (made / LOCK).is_file() and is_dead(made / LOCK):
            shutil.rmtree(made, ignore_errors=True)
            gone.append(made.name)
    for old in home.glob(f"*{_REPLACED}"):
        if _is_leftover(old):
            shutil.rmtree(old, ignore_errors=True)
            gone.append(old.name)
    gone += [note.name for note in home.glob(f"*{_SUM}") if _clear_sum(note)]
    if gone:
        logger.info("removed what a killed process had left in %s: %s", home, ", ".join(gone))
    return gone


def _is_leftover(old: Path) -> bool:
    """Tell a sharded checkpoint, or what is left of it, that a whole one has taken the place of."""
    new = old.with_name(old.name.removesuffix(_REPLACED))
    if old.is_symlink() or not old.is_dir() or not (new / _METADATA).is_file():
        return False
    if not (new / _SUMS).is_file() or (new / LOCK).exists():
        return False
    return all(
        part.name in (_METADATA, _SUMS, LOCK, SIGNATURE) or part.suffix == ".distcp"
        for part in old.iterdir()
    )


def _clear_sum(note: Path) -> bool:
    """Remove a checksum without a checkpoint, unless one is about to come."""
    checkpoint = note.with_name(note.name.removesuffix(_SUM))
    if list(note.parent.glob(f".{escape(checkpoint.name)}{INFIX}*{ENDING}")):
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
    return isinstance(found, dict) and "one-of" in found and found.keys() <= {"one-of", "by"}
