"""Checkpoints that every process writes its own part of, and that any number of them can read."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from torch import nn
from torch.distributed import ProcessGroup
from torch.distributed.checkpoint import state_dict as dcp_state
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.planner import SavePlanner
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save
from torch.optim import Optimizer

from engine_dist.checkpoint.agreement import Together, as_checkpoint_error
from engine_dist.checkpoint.asynchronous import AsyncSaver, own_group
from engine_dist.checkpoint.checksums import file_sum
from engine_dist.checkpoint.errors import CorruptCheckpointError, UnwritableError
from engine_dist.checkpoint.folders import clear_folder, find_folder, put_in_place
from engine_dist.checkpoint.saving import why_unwritable
from engine_dist.checkpoint.sharded_loading import ShardedLoading
from engine_dist.checkpoint.sharded_names import savable
from engine_dist.checkpoint.sharded_reading import (
    check_sums,
    open_folder,
    read_sharded,
)
from engine_dist.checkpoint.temporaries import LOCK, incomplete, locked
from engine_dist.object_collectives import all_gather_object
from engine_dist.ranks import get_dist_info, get_rank

__all__ = [
    "async_sharded_saver",
    "load_sharded",
    "read_sharded",
    "save_sharded",
    "sharded_state",
    "take_sharded_state",
]


def save_sharded(
    state: dict[str, Any],
    path: str | os.PathLike[str],
    *,
    group: ProcessGroup | None = None,
    planner: SavePlanner | None = None,
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
    planner : SavePlanner, optional
        Decides who writes what; by default what several processes have alike is any one's.

    Raises
    ------
    UnsavableStateError
        If the state holds what could not be loaded again as it is, or names that could not be told
        apart; nothing is written.
    CheckpointError
        On every process, if any could not write.
    """
    folder = Path(os.path.realpath(path))
    made = incomplete(folder)
    main = get_rank(group) == 0
    together = Together(group, f"saving {folder}", unwritable=UnwritableError)
    savable_state = together(lambda: savable(state))
    together(lambda: clear_folder(made) if main else None)
    with locked(made / LOCK) if main else nullcontext():
        try:
            _write_parts(savable_state, made, folder, together, planner)
        except BaseException:
            if main:
                shutil.rmtree(made, ignore_errors=True)
            raise


def _write_parts(
    state: dict[str, Any],
    made: Path,
    folder: Path,
    together: Together,
    planner: SavePlanner | None,
) -> None:
    group, rank = together.group, get_rank(together.group)
    writer = FileSystemWriter(made, sync_files=True)
    try:
        with _without_group_unwarned():
            dcp_save(state, storage_writer=writer, planner=planner, process_group=group)
    except (Exception, CheckpointException) as error:  # torch's is no Exception
        reason = why_unwritable(made / f"probe-{rank}")
        failed = f"saving {folder} failed"
        raise as_checkpoint_error(reason or error, failed, unwritable=UnwritableError) from error
    files = made.glob(f"__{rank}_*.distcp")
    sums = together(lambda: {file.name: file_sum(file) for file in files})
    everyones = all_gather_object(sums, group)
    together(lambda: None if rank else put_in_place(made, folder, everyones, (".metadata",)))


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
        Whether it is an error that the folder lacks an entry of the state, or has one that no
        process's state has; otherwise both are logged.
    group : ProcessGroup, optional
        Of the processes.

    Returns
    -------
    dict
        ``state``.

    Raises
    ------
    CheckpointError
        On every process, if the folder is missing, damaged, unsafe, or does not fit; the state is
        as it was.

    Notes
    -----
    Everything is looked at before the first value is changed: files are held against their
    checksums, each process reading its share of them, or where there are none, the records that it
    needs against their CRCs.
    """
    with _without_group_unwarned():
        _load(state, find_folder(path), strict, group)
    return state


def _load(state: dict[str, Any], folder: Path, strict: bool, group: ProcessGroup | None) -> None:
    together = Together(group, f"loading {folder}", CorruptCheckpointError)
    opened = together(lambda: open_folder(folder))
    rank, world_size = get_dist_info(group)
    together(lambda: check_sums(opened, rank, world_size))
    loading = together(lambda: ShardedLoading(state, opened))
    # each process may ask for entries of its own
    unasked = set.intersection(*all_gather_object(loading.unexpected, group))
    together(lambda: loading.check_names(unasked, strict))
    together(loading.look)
    together(loading.take)


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
    """Return a saver that writes folders in the background; every process calls it."""
    group = own_group()

    def write(state: Any, path: str | os.PathLike[str]) -> None:
        save_sharded(state, path, group=group)

    return AsyncSaver(write, group)
