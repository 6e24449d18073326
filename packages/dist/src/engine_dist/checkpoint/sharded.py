"""Checkpoints that every process writes its own part of, and that any number of them can read."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch.distributed as torch_dist
from torch import nn
from torch.distributed import ProcessGroup
from torch.distributed.checkpoint import state_dict as dcp_state
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load as dcp_load
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from torch.optim import Optimizer

from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.checksums import FOLDER_SUMS, file_sum, write_durably
from engine_dist.checkpoint.errors import CheckpointError
from engine_dist.checkpoint.plain import plain
from engine_dist.checkpoint.saving import sync_folder, why_unwritable
from engine_dist.checkpoint.sharded_reading import (
    SafeLoadPlanner,
    SafeReader,
    as_checkpoint_error,
    read_sharded,
)
from engine_dist.checkpoint.temporaries import LOCK, incomplete, locked
from engine_dist.object_collectives import all_gather_object
from engine_dist.ranks import get_rank, is_distributed

__all__ = [
    "async_sharded_saver",
    "load_sharded",
    "read_sharded",
    "save_sharded",
    "sharded_state",
    "take_sharded_state",
]


def save_sharded(
    state: dict[str, Any], path: str | os.PathLike[str], *, group: ProcessGroup | None = None
) -> None:
    """Write a state to a folder, each process its own part; every process calls it.

    What is in the making is called ``<path>.incomplete``, and takes its name when it is whole.

    Parameters
    ----------
    state : dict
        Tensors, split ones among them, and plain values; nested as one likes.
    path : str or os.PathLike
        The folder.
    group : ProcessGroup, optional
        Of the processes; an asynchronous save needs one of its own.

    Raises
    ------
    CheckpointError
        On every process, if any could not write.
    """
    folder = Path(os.path.realpath(path))
    made = incomplete(folder)
    main = get_rank(group) == 0
    _together(lambda: _clear(made) if main else None, group, folder)
    with locked(made / LOCK) if main else nullcontext():
        try:
            _write_parts(state, made, folder, group)
        except BaseException:
            if main:
                shutil.rmtree(made, ignore_errors=True)
            raise


def _write_parts(
    state: dict[str, Any], made: Path, folder: Path, group: ProcessGroup | None
) -> None:
    main = get_rank(group) == 0
    writer = FileSystemWriter(made, sync_files=True)
    try:
        with _without_group_unwarned(), as_checkpoint_error(f"saving {folder}"):
            dcp_save(plain(state, sharded=True), storage_writer=writer, process_group=group)
    except CheckpointError as error:
        reason = why_unwritable(made / f"probe-{get_rank(group)}")
        if reason is None:
            raise
        raise CheckpointError(f"saving {folder} failed: {reason.strerror}") from error
    mine = f"__{get_rank(group)}_*.distcp"
    sums = {file.name: file_sum(file) for file in made.glob(mine)}
    everyones = all_gather_object(sums, group)
    _together(lambda: _put_in_place(made, folder, everyones) if main else None, group, folder)


def _clear(made: Path) -> None:
    if made.exists():
        shutil.rmtree(made)
    made.mkdir(parents=True)


def _put_in_place(made: Path, folder: Path, sums: list[dict[str, Any]]) -> None:
    noted = {name: entry for part in sums for name, entry in part.items()}
    noted[".metadata"] = file_sum(made / ".metadata")
    write_durably(made / FOLDER_SUMS, json.dumps(noted, indent=1).encode())
    sync_folder(made)
    old = _replaced(folder)
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


def _replaced(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.replaced")


def _together(action: Any, group: ProcessGroup | None, folder: Path) -> None:
    """Do something here, and fail on every process where it failed on any."""
    error: Exception | None = None
    try:
        action()
    except OSError as raised:
        error = raised
    texts = all_gather_object(None if error is None else f"{type(error).__name__}: {error}", group)
    failed = {rank: text for rank, text in enumerate(texts) if text is not None}
    if failed:
        raise CheckpointError(f"saving {folder} failed on rank {failed}") from error


def load_sharded(
    state: dict[str, Any],
    path: str | os.PathLike[str],
    *,
    strict: bool = True,
    group: ProcessGroup | None = None,
) -> dict[str, Any]:
    """Fill a state from a folder, in place and split as it is now; every process calls it.

    Parameters
    ----------
    state : dict
        As saved, with tensors of any split to be filled; other values are replaced.
    path : str or os.PathLike
        The folder, written by any number of processes.
    strict : bool
        Whether an entry that the folder lacks is an error.
    group : ProcessGroup, optional
        Of the processes.

    Returns
    -------
    dict
        ``state``.

    Raises
    ------
    CheckpointError
        If the folder is missing, damaged, unsafe, or does not fit.
    """
    folder = Path(path)
    if not folder.is_dir() and _replaced(folder).is_dir():
        folder = _replaced(folder)
    reader = SafeReader(folder)
    reader.read_metadata()  # so that what is wrong with it is told as it is
    planner = SafeLoadPlanner(allow_partial_load=not strict)
    with _without_group_unwarned(), as_checkpoint_error(f"loading {folder}"):
        dcp_load(state, storage_reader=reader, planner=planner, process_group=group)
    return state


@contextmanager
def _without_group_unwarned() -> Iterator[None]:
    """Silence torch's remark that without a process group it works for one process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*assuming the intent is to", UserWarning)
        # of torch's own use of its older names
        warnings.filterwarnings("ignore", "TypedStorage is deprecated", UserWarning)
        warnings.filterwarnings("ignore", ".*", FutureWarning, module="torch")
        yield


def sharded_state(model: nn.Module, optimizer: Optimizer | None = None) -> dict[str, Any]:
    """Return the state of a model and its optimizer under names that every strategy shares.

    Returns
    -------
    dict
        ``state_dict``, and ``optimizer`` if there is one, as `torch.distributed.checkpoint`
        names them: by parameter, whatever wraps or splits it.
    """
    state: dict[str, Any] = {"state_dict": dcp_state.get_model_state_dict(model)}
    if optimizer is not None:
        state["optimizer"] = dcp_state.get_optimizer_state_dict(model, optimizer)
    return state


def take_sharded_state(
    state: dict[str, Any], model: nn.Module, optimizer: Optimizer | None = None
) -> None:
    """Give a model and its optimizer what `sharded_state` returned and `load_sharded` filled."""
    dcp_state.set_model_state_dict(model, state["state_dict"])
    if optimizer is not None:
        dcp_state.set_optimizer_state_dict(model, optimizer, state["optimizer"])


def async_sharded_saver() -> AsyncSaver:
    """Return a saver that writes folders in the background; every process calls it.

    It has a gloo group of its own: on the default one its messages would meet the training's.
    """
    group = torch_dist.new_group(backend="gloo") if is_distributed() else None

    def write(state: Any, path: str | os.PathLike[str]) -> None:
        save_sharded(state, path, group=group)

    return AsyncSaver(write)
