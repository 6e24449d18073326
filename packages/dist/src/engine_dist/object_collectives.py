"""Collectives on any objects that pickle: torch's own, the identity without a process group."""

from __future__ import annotations

from typing import Any

import torch.distributed as torch_dist
from torch.distributed import ProcessGroup

from engine_dist.collectives import global_rank
from engine_dist.data_device import get_comm_device
from engine_dist.ranks import get_backend, get_rank, get_world_size
from engine_dist.watch import noted


@noted
def broadcast_object_list(
    data: list[Any], src: int = 0, group: ProcessGroup | None = None
) -> None:
    """Replace every rank's items, in place, with those of rank ``src``; the lengths agree."""
    if not isinstance(data, list):
        raise TypeError(
            f"data must be a list, which is filled in place, got {type(data).__name__}"
        )
    if get_world_size(group) > 1:
        torch_dist.broadcast_object_list(
            data, global_rank(src, group), group, device=get_comm_device(group)
        )


@noted
def all_gather_object(data: Any, group: ProcessGroup | None = None) -> list[Any]:
    """Return every rank's object, in rank order; in a fake group, this one's alone."""
    world_size = get_world_size(group)
    if world_size == 1 or get_backend(group) == "fake":  # whose other ranks do not exist
        return [data]
    gathered: list[Any] = [None] * world_size
    torch_dist.all_gather_object(gathered, data, group)
    return gathered


@noted
def gather_object(data: Any, dst: int = 0, group: ProcessGroup | None = None) -> list[Any] | None:
    """Return every rank's object on rank ``dst``, in rank order, and None elsewhere."""
    world_size = get_world_size(group)
    if world_size == 1:
        return [data]
    gathered: list[Any] | None = [None] * world_size if get_rank(group) == dst else None
    torch_dist.gather_object(data, gathered, global_rank(dst, group), group)
    return gathered
