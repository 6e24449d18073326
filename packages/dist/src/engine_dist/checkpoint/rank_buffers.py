"""Buffers that are not the same on all ranks, such as statistics of the batches that each has seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist.checkpoint.state_dicts import plain_names
from engine_dist.data_parallel import data_parallel
from engine_dist.object_collectives import all_gather_object
from engine_dist.ranks import get_world_size

__all__ = ["gather_buffers", "own_buffers", "put_buffers"]


def _saved_buffers(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers that a state of the module has, by their names without those of wrappers."""
    buffers = dict(_held_buffers(module))
    names = plain_names(module, buffers)
    yield from ((names[name], buffer) for name, buffer in buffers.items())


def _held_buffers(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for prefix, part in module.named_modules():
        for name, buffer in part._buffers.items():
            if buffer is None or name in part._non_persistent_buffers_set:
                continue
            if not hasattr(buffer, "to_local"):  # one that is split is saved whole
                yield f"{prefix}.{name}" if prefix else name, buffer


def _digest(tensor: Tensor) -> bytes:
    content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(content.numpy().tobytes()).digest()


def own_buffers(module: nn.Module) -> dict[str, Tensor] | None:
    """Return this rank's buffers of those that differ; None where none does. All ranks call it."""
    if get_world_size() == 1:
        return None
    buffers = dict(_saved_buffers(module))
    every = all_gather_object({name: _digest(buffer) for name, buffer in buffers.items()})
    names = [name for name in buffers if len({one.get(name) for one in every}) > 1]
    return {name: buffers[name].detach().cpu().clone() for name in names} or None


def gather_buffers(module: nn.Module) -> list[dict[str, Tensor]] | None:
    """Return the buffers that differ, of each rank; None where none does. All ranks call it."""
    own = own_buffers(module)
    return None if own is None else all_gather_object(own)[:: data_parallel().copies]


@torch.no_grad()
def put_buffers(module: nn.Module, every: Any) -> None:
    """Put back this rank's buffers of a list of each rank's; nothing on another number of ranks."""
    place = data_parallel()
    if not isinstance(every, list) or len(every) != place.size:
        return
    own: Mapping[str, Tensor] = every[place.rank]
    for name, buffer in _saved_buffers(module):
        if name in own and own[name].shape == buffer.shape:
            buffer.copy_(own[name])
