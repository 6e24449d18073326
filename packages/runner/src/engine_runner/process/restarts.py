"""A job that its launcher started anew after a fault goes on from what it saved itself."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from engine_dist.environment import restarts
from engine_runner.process.work_dir import newest_file

__all__ = ["note_what_was_left", "restarted_from"]

logger = logging.getLogger("engine.runner")

_LEFT = ".left_before_the_job"


def note_what_was_left(work_dir: str | Path, resume: bool) -> None:
    """Keep, for the job's restarts, which checkpoint of the folder is another run's.

    Called by the main process before it trains. Where nothing is to be told apart, and where no
    launcher starts a job anew, nothing is written.
    """
    file = Path(work_dir) / _LEFT
    if restarts():
        return
    file.unlink(missing_ok=True)
    left = None if resume else newest_file(work_dir)
    if left is not None and "TORCHELASTIC_MAX_RESTARTS" in os.environ:
        file.write_text(json.dumps(_stamp(left)), encoding="utf-8")


def restarted_from(work_dir: str | Path, newest: str | None) -> str | None:
    """Return the checkpoint that a job goes on from after a fault.

    Parameters
    ----------
    work_dir : str or Path
        Where the job saves.
    newest : str, optional
        The newest whole checkpoint there.

    Returns
    -------
    str or None
        None where the job was not started anew, and where it has not saved yet.
    """
    if not restarts() or newest is None:
        return None
    try:
        left = json.loads((Path(work_dir) / _LEFT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        left = None
    return None if left == _stamp(newest) else newest


def _stamp(file: str) -> list[str | float]:
    path = Path(file)
    return [path.name, path.stat().st_mtime if path.exists() else 0.0]
