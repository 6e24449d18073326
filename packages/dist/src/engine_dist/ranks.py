"""Who and where this process is: ranks, sizes, groups; each the answer of one process without a group."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch.distributed as torch_dist
from torch.distributed import ProcessGroup

from engine_dist.environment import read_count
from engine_dist.watch import noted

P = ParamSpec("P")
R = TypeVar("R")

_local_group: ProcessGroup | None = None


def is_distributed() -> bool:
    """Tell whether the default process group stands."""
    return torch_dist.is_available() and torch_dist.is_initialized()


def get_default_group() -> ProcessGroup:
    """Return the group of all processes.

    Raises
    ------
    ValueError
        Where no process group was initialised.
    """
    if not is_distributed():
        raise ValueError(
            "there is no default process group: call init_dist (or "
            "torch.distributed.init_process_group) first"
        )
    group = torch_dist.group.WORLD
    assert group is not None  # torch says so, but types it as optional
    return group


def get_backend(group: ProcessGroup | None = None) -> str | None:
    """Return the backend's name (of the default group), or None without a process group."""
    return torch_dist.get_backend(group) if is_distributed() else None


def get_world_size(group: ProcessGroup | None = None) -> int:
    """Return the number of processes in the group; 1 without a process group."""
    return torch_dist.get_world_size(group) if is_distributed() else 1


def get_rank(group: ProcessGroup | None = None) -> int:
    """Return this process's rank in the group; 0 without a process group."""
    return torch_dist.get_rank(group) if is_distributed() else 0


def get_dist_info(group: ProcessGroup | None = None) -> tuple[int, int]:
    """Return ``(rank, world size)``."""
    return get_rank(group), get_world_size(group)


def is_main_process(group: ProcessGroup | None = None) -> bool:
    """Tell whether this process has rank 0 in the group."""
    return get_rank(group) == 0


def master_only(func: Callable[P, R]) -> Callable[P, R | None]:
    """Make a function run on rank 0 alone; the other ranks get None."""

    @functools.wraps(func)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R | None:
        return func(*args, **kwargs) if is_main_process() else None

    return wrapper


@noted
def barrier(group: ProcessGroup | None = None) -> None:
    """Wait until every process of the group is here; nothing without a process group."""
    if is_distributed():
        torch_dist.barrier(group)


def init_local_group(node_rank: int, num_gpus_per_node: int) -> None:
    """Remember the group of the processes on this node.

    Every process of the job calls this.  Where all nodes have the same number of processes a
    group is created for each node, on every process, as torch asks.

    Raises
    ------
    ValueError
        Without a process group, or where the numbers do not fit the job's size.
    """
    global _local_group
    get_default_group()
    world_size = get_world_size()
    nodes = world_size // num_gpus_per_node if num_gpus_per_node > 0 else 0
    if nodes * num_gpus_per_node != world_size or not 0 <= node_rank < nodes:
        raise ValueError(
            f"node {node_rank} with {num_gpus_per_node} processes a node does not fit a job of "
            f"{world_size} processes; allowed are node ranks below the number of nodes, and a "
            "number of processes that divides the job's"
        )
    for node in range(nodes):
        first = node * num_gpus_per_node
        group = torch_dist.new_group(list(range(first, first + num_gpus_per_node)))
        if node == node_rank:
            _local_group = group


def get_local_group() -> ProcessGroup | None:
    """Return the group of this node's processes, or None without a process group.

    Raises
    ------
    RuntimeError
        Where `init_local_group` was not called.
    """
    if not is_distributed():
        return None
    if _local_group is None:
        raise RuntimeError("there is no local process group: call init_local_group first")
    return _local_group


def get_local_size() -> int:
    """Return the number of processes on this node; 1 without a process group.

    Without a local group, what the launcher says (``LOCAL_WORLD_SIZE``) is taken.

    Raises
    ------
    RuntimeError
        Where neither says it, as after a start by slurm that names no tasks of a node.
    """
    return _local("LOCAL_WORLD_SIZE", torch_dist.get_world_size, alone=1)


def get_local_rank() -> int:
    """Return this process's rank on its node; 0 without a process group.

    Without a local group, what the launcher says (``LOCAL_RANK``) is taken.
    """
    return _local("LOCAL_RANK", torch_dist.get_rank, alone=0)


def _local(variable: str, ask: Callable[[ProcessGroup | None], int], alone: int) -> int:
    if not is_distributed():
        return alone
    if _local_group is None and variable in os.environ:
        return read_count(variable)
    if _local_group is None:
        raise RuntimeError(
            f"the launcher did not say it (no {variable} in the environment), and there is no "
            "local process group: set it, or call init_local_group first"
        )
    return ask(_local_group)


def _forget_local_group() -> None:
    """Forget the local group: it does not outlive the default one."""
    global _local_group
    _local_group = None
