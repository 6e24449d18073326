"""Split states in folders of parts: what of one a process writes, and reads."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.planner import SavePlan, WriteItemType

from engine_dist.checkpoint.agreement import Together
from engine_dist.checkpoint.errors import CorruptCheckpointError
from engine_dist.checkpoint.folders import find_folder
from engine_dist.checkpoint.loading import MapLocation
from engine_dist.checkpoint.nesting import TreePath
from engine_dist.checkpoint.schemes import load_checkpoint_file
from engine_dist.checkpoint.sharded import load_sharded
from engine_dist.checkpoint.sharded_names import KEPT, rebuilt
from engine_dist.checkpoint.sharded_reading import ShardReader, open_folder
from engine_dist.checkpoint.splits import Like, mapped
from engine_dist.late import is_dtensor
from engine_dist.scattering import split_like

__all__ = ["MainsOwn", "load_like"]


class MainsOwn(DefaultSavePlanner):
    """Plans a save of what `own_part` returned; torch lets any process write what all have."""

    def create_local_plan(self) -> SavePlan:
        """Return what this process writes."""
        plan = super().create_local_plan()
        if not self.is_coordinator:
            split = [item for item in plan.items if item.type == WriteItemType.SHARD]
            plan = self.plan = replace(plan, items=split)
        return plan


def load_like(
    path: str | os.PathLike[str], like: Like, map_location: MapLocation = "cpu"
) -> dict[str, Any]:
    """Read a checkpoint of any form, and split in it what is split here; every process calls it.

    Of a folder, each process reads its own parts alone.

    Parameters
    ----------
    path : str or os.PathLike
        A file, a folder, or a name with a scheme.
    like : callable
        Given the keys and places on the way to a tensor, returns what it is to be split like: a
        `DTensor` of its shape. Any other tensor, or None, leaves it whole.
    map_location : str, torch.device, mapping or callable
        As for `torch.load`, for what stays whole of a file.

    Raises
    ------
    CheckpointError
        As `load_checkpoint_file` and `load_sharded`.
    """
    folder = find_folder(path)
    if not folder.is_dir():
        state = load_checkpoint_file(path, map_location)
        made: dict[str, Any] = mapped(state, lambda at, value: split_like(value, like(at)))
        return made
    together = Together(None, f"loading {folder}", CorruptCheckpointError)
    return load_sharded(together(lambda: _template(folder, like)), folder)


def _template(folder: Path, like: Like) -> dict[str, Any]:
    """Return what is to be filled: what a folder holds, with empty tensors and None."""
    opened = open_folder(folder)
    contents, kept = opened.contents, []
    with ShardReader(opened) as reader:
        for name in contents.entries:
            if name.startswith(KEPT):
                kept += reader.value(name)
    sizes = {
        name: (tuple(entry.size), entry.properties.dtype)
        for name, entry in contents.entries.items()
        if isinstance(entry, TensorStorageMetadata)
    }
    values = {name: _Later(name) for name in contents.entries if not name.startswith(KEPT)}
    tree = rebuilt(contents.paths, values, kept)
    made: dict[str, Any] = _filled(
        tree, lambda path, name: _empty(like(path), *sizes[name]) if name in sizes else None
    )
    return made


class _Later:
    """Stands for an entry until it is known where it belongs."""

    def __init__(self, name: str) -> None:
        self.name = name


def _filled(node: Any, made: Callable[[TreePath, str], Any], path: TreePath = ()) -> Any:
    if isinstance(node, _Later):
        return made(path, node.name)
    if isinstance(node, dict):
        return {key: _filled(item, made, (*path, key)) for key, item in node.items()}
    if isinstance(node, list):
        return [_filled(item, made, (*path, index)) for index, item in enumerate(node)]
    return node


def _empty(like: Tensor | None, size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if is_dtensor(like) and tuple(like.shape) == size:
        return torch.empty_like(like.detach(), dtype=dtype)
    return torch.empty(size, dtype=dtype)
