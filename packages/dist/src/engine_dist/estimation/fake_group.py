"""A job of many processes of which only this one is there: torch's fake process group."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as torch_dist
from torch._C._distributed_c10d import Store

from engine_dist.ranks import is_distributed

__all__ = ["EstimationError", "fake_job"]

# the one private module, without which a job of 512 processes needs 512
_PRIVATE = "torch.testing._internal.distributed.fake_pg"


class EstimationError(RuntimeError):
    """A step cannot be estimated here, or not of this model."""


@contextmanager
def fake_job(world_size: int) -> Iterator[None]:
    """Be process 0 of a job of which no other process exists; collectives return at once.

    Parameters
    ----------
    world_size : int
        How many processes the job has.

    Raises
    ------
    EstimationError
        If this build of torch has no such group, or the process is in another job.
    ValueError
        If there are to be fewer processes than one.
    """
    if world_size < 1:
        raise ValueError(f"the number of processes must be at least 1, got {world_size}")
    if is_distributed():
        raise EstimationError(
            "this process is one of a job, and cannot stand in for another: estimate in a process "
            "of its own, without torchrun"
        )
    store = _store()
    torch_dist.init_process_group("fake", store=store, rank=0, world_size=world_size)
    try:
        yield
    finally:
        torch_dist.destroy_process_group()


def _store() -> Store:
    """Return the store of a fake group; importing its module makes torch know the group."""
    try:
        module = importlib.import_module(_PRIVATE)
        store: Store = module.FakeStore()
    except (ImportError, AttributeError) as error:
        raise EstimationError(
            f"torch {torch.__version__} has no fake process group ({_PRIVATE}: {error}), by which "
            "one process stands in for many; estimate with torch 2.6 to 2.13"
        ) from error
    return store
