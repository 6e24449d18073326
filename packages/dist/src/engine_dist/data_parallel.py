"""How many processes share the data, and which share of it is this one's: the one place that says so.

Where layers are split over processes, neighbours compute one batch together: they read the same samples,
draw the same random numbers and count for one wherever samples are counted. Ranks that follow each other
are neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.distributed as torch_dist
from torch.distributed import ProcessGroup

from engine_dist.ranks import get_rank, get_world_size, is_distributed

__all__ = ["DataParallel", "data_parallel", "share_data"]


@dataclass(frozen=True)
class DataParallel:
    """The processes among which the data are dealt.

    Attributes
    ----------
    rank, size : int
        Which share is this process', of how many.
    copies : int
        How many neighbours have the same share.
    group : ProcessGroup, optional
        One process of each share, this among them; None stands for all processes.
    """

    rank: int
    size: int
    copies: int = 1
    group: ProcessGroup | None = None

    @property
    def leads(self) -> bool:
        """Whether this process is the one of its neighbours that counts."""
        return get_rank() % self.copies == 0


# the default group that it was made for, and what was made; one of a group that is no more is void
_shared: tuple[ProcessGroup, DataParallel] | None = None


def data_parallel() -> DataParallel:
    """Return among how many processes the data are dealt, and this one's place there.

    All processes, unless a strategy has said otherwise by `share_data`.
    """
    if _shared is not None and is_distributed() and torch_dist.group.WORLD is _shared[0]:
        return _shared[1]
    return DataParallel(get_rank(), get_world_size())


def share_data(copies: int) -> DataParallel:
    """Let so many neighbours have the same data, from now on; every process calls it.

    Parameters
    ----------
    copies : int
        Processes that compute one batch together; 1 for data parallelism alone.

    Raises
    ------
    ValueError
        If the number of processes is no multiple of it.
    """
    global _shared
    world = get_world_size()
    if copies < 1 or world % copies:
        raise ValueError(
            f"{world} processes cannot be {copies} each that share their data: start a multiple of "
            f"{copies}, or let a number share that divides {world}"
        )
    now = data_parallel()
    if copies == now.copies:
        return now
    everyone = torch_dist.group.WORLD
    assert everyone is not None  # there are several processes
    if copies == 1:
        _shared = None
        return data_parallel()
    groups = [torch_dist.new_group(list(range(place, world, copies))) for place in range(copies)]
    own = groups[get_rank() % copies]
    _shared = everyone, DataParallel(get_rank() // copies, world // copies, copies, own)
    return _shared[1]
