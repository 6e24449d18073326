"""Which checkpoint a run goes on from."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from engine_config import fileio
from engine_dist.checkpoint.checksums import verify_checkpoint
from engine_dist.checkpoint.errors import CheckpointError

__all__ = ["find_latest_checkpoint"]

logger = logging.getLogger("engine.dist")


def find_latest_checkpoint(path: str | os.PathLike[str]) -> str | None:
    """Return the newest whole checkpoint of a run's folder.

    That is the one which the file ``last_checkpoint`` names; where that is gone or damaged, the
    newest other one that is whole, and a warning says so.

    Returns
    -------
    str or None
        Its path; None where no ``last_checkpoint`` is there. What it names, where nothing in the
        folder is whole: loading that says what is wrong.
    """
    name = os.fspath(path)
    if "://" in name:
        note = fileio.join_path(name, "last_checkpoint")
        return fileio.get_text(note).strip() if fileio.exists(note) else None
    folder = Path(name)
    if not (folder / "last_checkpoint").is_file():
        logger.warning("Did not find last_checkpoint to be resumed in %s", folder)
        return None
    noted = (folder / "last_checkpoint").read_text(encoding="utf-8").strip()
    if "://" in noted:
        return noted
    # the folder may have been moved since
    last = noted if os.path.exists(noted) else str(folder / os.path.basename(noted))
    fault = _fault(last)
    if fault is None:
        return last
    for other in _newest_first(folder):
        if str(other) != last and _fault(str(other)) is None:
            logger.warning("%s; going on from the newest whole checkpoint, %s", fault, other)
            return str(other)
    logger.warning("%s; no other checkpoint in %s is whole", fault, folder)
    return noted


def _fault(path: str) -> str | None:
    try:
        verify_checkpoint(path)
    except (CheckpointError, OSError) as error:
        return str(error)
    return None


def _newest_first(folder: Path) -> Iterator[Path]:
    found = [path for path in folder.glob("*.pth") if path.is_file()]
    found += [
        path.parent for path in folder.glob("*/.metadata") if path.parent.suffix != ".incomplete"
    ]
    yield from sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
