"""Collectives on tensors: each the identity without a process group."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from typing import Literal

import torch
import torch.distributed as torch_dist
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _take_tensors, _unflatten_dense_tensors
from torch.distributed import ProcessGroup

from engine_dist.data_device import cast_data_device, get_comm_device, get_data_device
from engine_dist.ranks import get_rank, get_world_size, is_distributed
from engine_dist.watch import noted

ReduceOp = Literal["sum", "mean", "product", "min", "max", "band", "bor", "bxor"]

_OPERATIONS = {
    "sum": torch_dist.ReduceOp.SUM,
    "mean": torch_dist.ReduceOp.SUM,
    "product": torch_dist.ReduceOp.PRODUCT,
    "min": torch_dist.ReduceOp.MIN,
    "max": torch_dist.ReduceOp.MAX,
    "band": torch_dist.ReduceOp.BAND,
    "bor": torch_dist.ReduceOp.BOR,
    "bxor": torch_dist.ReduceOp.BXOR,
}
_SEED_END = 2**31


def _operation(op: str) -> torch_dist.ReduceOp.RedOpType:
    name = op.lower() if isinstance(op, str) else op
    if name not in _OPERATIONS:
        raise ValueError(f"op must be one of {', '.join(_OPERATIONS)}, got {op!r}")
    return _OPERATIONS[name]


@noted
def all_reduce(data: Tensor, op: ReduceOp = "sum", group: ProcessGroup | None = None) -> None:
    """Reduce a tensor over the group, in place; all ranks end with the same values.

    ``mean`` of integers is cut toward zero, as the tensor keeps its type.
    """
    operation = _operation(op)
    world_size = get_world_size(group)
    if world_size == 1:
        return
    sent = cast_data_device(data, get_comm_device(group))
    torch_dist.all_reduce(sent, operation, group)
    if op.lower() == "mean":
        if sent.is_floating_point() or sent.is_complex():
            sent.div_(world_size)
        else:
            sent.div_(world_size, rounding_mode="trunc")
    if sent is not data:
        data.copy_(sent)


@noted
def all_gather(data: Tensor, group: ProcessGroup | None = None) -> list[Tensor]:
    """Return every rank's tensor, in rank order; all have the same shape and type."""
    world_size = get_world_size(group)
    if world_size == 1:
        return [data]
    sent = cast_data_device(data, get_comm_device(group)).contiguous()
    gathered = [torch.empty_like(sent) for _ in range(world_size)]
    torch_dist.all_gather(gathered, sent, group)
    return cast_data_device(gathered, get_data_device(data))


@noted
def gather(data: Tensor, dst: int = 0, group: ProcessGroup | None = None) -> list[Tensor]:
    """Return every rank's tensor on rank ``dst``, in rank order, and an empty list elsewhere."""
    world_size = get_world_size(group)
    if world_size == 1:
        return [data]
    sent = cast_data_device(data, get_comm_device(group)).contiguous()
    here = get_rank(group) == dst
    gathered = [torch.empty_like(sent) for _ in range(world_size)] if here else None
    torch_dist.gather(sent, gathered, global_rank(dst, group), group)
    return cast_data_device(gathered, get_data_device(data)) if gathered else []


@noted
def broadcast(data: Tensor, src: int = 0, group: ProcessGroup | None = None) -> None:
    """Give every rank the tensor of rank ``src``, in place."""
    if get_world_size(group) == 1:
        return
    sent = cast_data_device(data, get_comm_device(group)).contiguous()
    torch_dist.broadcast(sent, global_rank(src, group), group)
    if sent is not data and get_rank(group) != src:
        data.copy_(sent)


@noted
def sync_random_seed(group: ProcessGroup | None = None) -> int:
    """Return one random seed, the same on every rank, in [0, 2³¹)."""
    # of the system's own entropy: the seeded generators must not be advanced by asking
    seed = torch.tensor(int.from_bytes(os.urandom(8), "big") % _SEED_END, dtype=torch.int64)
    broadcast(seed, 0, group)
    return int(seed)


@noted
def all_reduce_dict(
    data: dict[str, Tensor], op: ReduceOp = "sum", group: ProcessGroup | None = None
) -> None:
    """Reduce every tensor of a dict in place, with one collective for each type of tensor."""
    _operation(op)
    if get_world_size(group) > 1:
        # by key: ranks may have filled their dicts in different orders
        _reduce_flat([data[key] for key in sorted(data)], op, group)


@noted
def all_reduce_params(
    params: Sequence[Tensor] | Generator[Tensor, None, None],
    coalesce: bool = True,
    bucket_size_mb: int = -1,
    op: ReduceOp = "sum",
    group: ProcessGroup | None = None,
) -> None:
    """Reduce parameters (or buffers) over the group, in place.

    Parameters
    ----------
    params
        The tensors; their data is reduced, no gradient flows.
    coalesce
        Whether to send many tensors as one.
    bucket_size_mb
        Upper bound of what is sent as one, in MiB; -1 for no bound.
    """
    _operation(op)
    if get_world_size(group) == 1:
        return
    tensors = [parameter.detach() for parameter in params]
    if not coalesce:
        for tensor in tensors:
            all_reduce(tensor, op, group)
    elif bucket_size_mb > 0:
        for bucket in _take_tensors(  # type: ignore[no-untyped-call]  # torch leaves it untyped
            tensors, bucket_size_mb * 2**20
        ):
            _reduce_flat(bucket, op, group)
    else:
        _reduce_flat(tensors, op, group)


def _reduce_flat(tensors: Sequence[Tensor], op: ReduceOp, group: ProcessGroup | None) -> None:
    """Reduce tensors in place, those of one type and device as one flat tensor."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for alike in kinds.values():
        flat = _flatten_dense_tensors(alike)  # type: ignore[no-untyped-call]  # as above
        all_reduce(flat, op, group)
        parts = _unflatten_dense_tensors(flat, alike)  # type: ignore[no-untyped-call]  # as above
        for tensor, reduced in zip(alike, parts, strict=True):
            tensor.copy_(reduced)


def global_rank(rank: int, group: ProcessGroup | None) -> int:
    """Translate a rank of the group, as our functions take it, to the job's, as torch does."""
    if group is None or not is_distributed():
        return rank
    return torch_dist.get_global_rank(group, rank)
