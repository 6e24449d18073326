"""Folders that several processes write to: made beside, and put in place when they are whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine_dist.checkpoint.checksums import FOLDER_SUMS, file_sum, write_durably
from engine_dist.checkpoint.saving import sync_folder
from engine_dist.checkpoint.temporaries import LOCK

__all__ = ["clear_folder", "find_folder", "placed", "put_in_place", "replaced"]


def replaced(folder: Path) -> Path:
    """Return what a folder is called between being replaced and being removed."""
    return folder.with_name(f"{folder.name}.replaced")


def find_folder(path: str | os.PathLike[str]) -> Path:
    """Return a checkpoint's folder, or the one that was about to be replaced when the job died."""
    folder = Path(path)
    if not folder.is_dir() and replaced(folder).is_dir():
        return replaced(folder)
    return folder


def clear_folder(made: Path) -> None:
    """Make a folder, without anything that a process which died has left in it."""
    if made.exists():
        shutil.rmtree(made)
    made.mkdir(parents=True)


def put_in_place(
    made: Path, folder: Path, sums: list[dict[str, Any]], more: Sequence[str] = ()
) -> None:
    """Note the checksums of a folder that is whole, and give it its name.

    Parameters
    ----------
    made, folder : Path
        What it is called now, and will be.
    sums : list of dict
        Of each process, the checksums of its files by name.
    more : sequence of str
        The names of further files.
    """
    noted = {name: entry for part in sums for name, entry in part.items()}
    noted |= {name: file_sum(made / name) for name in more}
    write_durably(made / FOLDER_SUMS, json.dumps(noted, indent=1).encode())
    sync_folder(made)
    old = replaced(folder)
    if folder.exists():
        # a folder cannot be replaced in one step: should the process die between these two,
        # the old one is found under its other name
        if old.exists():
            shutil.rmtree(old)
        folder.rename(old)
    made.rename(folder)
    (folder / LOCK).unlink(missing_ok=True)  # until then it says who makes it
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def placed(state: Any, device: object) -> Any:
    """Return a state that was read with its tensors on a device.

    As a folder does not tell where its tensors were, whatever is no device leaves them on the CPU.
    """
    if not isinstance(device, (str, torch.device)):
        return state
    if isinstance(state, Tensor):
        return state.to(device)
    if isinstance(state, dict):
        return {key: placed(value, device) for key, value in state.items()}
    return [placed(value, device) for value in state] if isinstance(state, list) else state
