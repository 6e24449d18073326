"""Which checkpoint a run goes on from."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from engine_config import fileio
from engine_dist.checkpoint.checksums import ENGINE_FILES, verify_checkpoint
from engine_dist.checkpoint.errors import CheckpointError

__all__ = ["find_latest_checkpoint", "newest_whole"]

logger = logging.getLogger("engine.dist")


def find_latest_checkpoint(
    path: str | os.PathLike[str], usable: Callable[[Path], bool] = lambda path: True
) -> str | None:
    """Return the newest whole checkpoint of a run's folder.

    That is the one which the file ``last_checkpoint`` names; where that is gone or damaged, the
    newest other one that is whole, and a warning says which were passed over, and why.

    Parameters
    ----------
    path : str or os.PathLike
        The folder, or its URI.
    usable : callable, optional
        Told a whole checkpoint that nothing names, returns whether it may be gone on from.

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
    faults = [fault]
    other = newest_whole(folder, usable, faults, besides=last)
    passed_over = "; ".join(faults)
    if other is not None:
        logger.warning("%s; going on from the newest whole checkpoint, %s", passed_over, other)
        return other
    logger.warning("%s; no other checkpoint in %s is whole", passed_over, folder)
    return noted


def newest_whole(
    folder: Path, usable: Callable[[Path], bool], faults: list[str], besides: str | None = None
) -> str | None:
    """Return the newest checkpoint in a folder that is whole and usable, or None.

    Parameters
    ----------
    folder : Path
        A folder of this machine.
    usable : callable
        Told a whole checkpoint, returns whether it may be gone on from.
    faults : list of str
        Takes what is wrong with newer ones.
    besides : str, optional
        One that is left out.
    """
    for found in _newest_first(folder):
        if str(found) == besides:
            continue
        fault = _fault(str(found))
        if fault is not None:
            faults.append(fault)
        elif usable(found):
            return str(found)
    return None


def _fault(path: str) -> str | None:
    try:
        verify_checkpoint(path)
    except (CheckpointError, OSError) as error:
        return str(error)
    return None


def _newest_first(folder: Path) -> Iterator[Path]:
    found = [path for path in folder.glob("*.pth") if path.is_file()]
    parts = {
        path.parent
        for name in (".metadata", f"*{ENGINE_FILES}")
        for path in folder.glob(f"*/{name}")
    }
    found += [path for path in parts if path.suffix != ".incomplete"]
    yield from sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
