"""Reading the folder that ColossalAI's booster writes, on one process and without the library.

It is laid out as MMEngine's is: ``meta.pth`` of the run, ``model`` and ``optimizer`` of the
library's files, ``scheduler`` with one file a schedule.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from engine_dist.checkpoint.checksums import BOOSTERS
from engine_dist.checkpoint.engine_folders import with_weights
from engine_dist.checkpoint.errors import CorruptCheckpointError, UnsafeCheckpointError
from engine_dist.checkpoint.loading import read_checkpoint

__all__ = [
    "META",
    "MODEL_DIR",
    "OPTIMIZER_DIR",
    "SCHEDULERS",
    "SCHEDULER_DIR",
    "booster_state",
    "is_booster_folder",
    "read_booster_folder",
]

MODEL_DIR, OPTIMIZER_DIR, SCHEDULER_DIR = BOOSTERS[1], "optimizer", "scheduler"
META = BOOSTERS[0]
#: what a state of a run calls its schedules
SCHEDULERS = "param_schedulers"


def is_booster_folder(path: str | os.PathLike[str]) -> bool:
    """Tell whether a folder is laid out so."""
    folder = Path(path)
    return (folder / META).is_file() and (folder / MODEL_DIR).is_dir()


def read_booster_folder(folder: Path) -> dict[str, Any]:
    """Return a folder's state with its weights, or their averages; without the optimizer's.

    Raises
    ------
    CheckpointError
        If a file of it is damaged, missing, or no data.
    """
    return with_weights(booster_state(folder), _weights_of(folder / MODEL_DIR))


def booster_state(folder: Path) -> dict[str, Any]:
    """Return what a folder holds beside weights and the optimizer's state.

    Every file is looked at: the library, which reads them next, goes by what it finds.

    Raises
    ------
    CheckpointError
        If a file of it is damaged, or is no data.
    """
    for inner in (MODEL_DIR, OPTIMIZER_DIR):
        for file in sorted((folder / inner).glob("*.bin")):
            read_checkpoint(file, mmap=True)
    state = read_checkpoint(folder / META)
    if not isinstance(state, dict):
        raise CorruptCheckpointError(f"{folder / META} holds a {type(state).__name__}, no dict")
    files = sorted((folder / SCHEDULER_DIR).glob("scheduler_*.pth"), key=_number)
    if files and SCHEDULERS not in state:
        state[SCHEDULERS] = [read_checkpoint(file) for file in files]
    return state


def _number(file: Path) -> int:
    last = file.stem.rpartition("_")[2]
    return int(last) if last.isdecimal() else -1


def _weights_of(folder: Path) -> dict[str, Any]:
    indices = sorted(folder.glob("*.index.json"))
    if len(indices) != 1:
        raise CorruptCheckpointError(f"{folder} holds {len(indices)} indices of weights, not one")
    try:
        placed = json.loads(indices[0].read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(placed.values()))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptCheckpointError(f"{indices[0]} is no index of weights: {error}") from error
    weights: dict[str, Any] = {}
    for name in names:
        if not isinstance(name, str) or os.path.basename(name) != name or name in ("", ".", ".."):
            raise UnsafeCheckpointError(
                str(indices[0]), (), f"it points to the file {name!r:.200}", part=True
            )
        weights.update(read_checkpoint(folder / name))
    missing = sorted(set(placed) - set(weights))
    if missing:
        raise CorruptCheckpointError(f"{folder} lacks weights that its index names: {missing[:5]}")
    return weights
