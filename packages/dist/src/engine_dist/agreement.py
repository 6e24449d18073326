"""A point of a job at which all ranks stop, agreed on without a collective.

Ranks come by the same points, in one order, and not at one time. One is told to stop. It asks for it in the
store beside the collectives; each rank that reads so says, from a thread, which point it has passed last, and
waits at the next one for what the others say. All stop at their first point behind the farthest that any has
passed: nobody is beyond it, and nobody before it is kept waiting in a collective, since who is there has done
his part in all that comes before.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch.distributed as torch_dist
from torch.distributed.distributed_c10d import PrefixStore

from engine_dist.ranks import get_rank, get_world_size
from engine_dist.watch import look_interval, store_of_the_watch

__all__ = ["Agreement", "SideStore", "side_store"]

logger = logging.getLogger("engine.dist")

Point = tuple[float, ...]


@dataclass(frozen=True)
class SideStore:
    """A store that all ranks reach beside their collectives.

    Attributes
    ----------
    store : torch.distributed.Store
        Of this start of the job alone.
    rank, world_size : int
        Of the job.
    interval : float
        Seconds between two looks of a rank, by which the store bears them all.
    """

    store: Any
    rank: int
    world_size: int
    interval: float


_borrowed: tuple[Any, SideStore] | None = None


def side_store() -> SideStore | None:
    """Return the store that ranks tell by that they live, or None where there is none.

    Of a process group that others have started it is that group's own.
    """
    size = get_world_size()
    if size == 1:
        return None
    watched = store_of_the_watch()
    if watched is not None:
        return SideStore(watched, get_rank(), size, look_interval(size))
    return _store_of_the_group()


def _store_of_the_group() -> SideStore | None:
    global _borrowed
    group = torch_dist.group.WORLD
    if _borrowed is None or _borrowed[0] is not group:
        try:
            # torch has no public way to it
            own = torch_dist.distributed_c10d._get_default_store()
            # what waits by one connection keeps others from using it
            store = own.clone() if hasattr(own, "clone") else own
        except Exception as error:
            logger.debug("the store of the process group cannot be had: %s", error)
            return None
        size, prefixed = get_world_size(), PrefixStore("engine_side", store)
        side = SideStore(prefixed, get_rank(), size, look_interval(size))
        _borrowed = group, side
    return _borrowed[1]


class Agreement:
    """One agreement of all ranks.

    Parameters
    ----------
    side : SideStore
        What they write into.
    number : int
        Which agreement of the job it is, the same on every rank.
    """

    def __init__(self, side: SideStore, number: int) -> None:
        self._side = side
        self._prefix = f"stop/{number}"

    def ask(self, reason: int) -> None:
        """Ask all ranks to stop, for a reason that is known by a number; the first one holds."""
        self._side.store.compare_set(f"{self._prefix}/asked", "", str(reason))

    def asked(self) -> int | None:
        """Return why some rank asked to stop, or None where none has."""
        key = f"{self._prefix}/asked"
        return int(self._side.store.get(key)) if self._side.store.check([key]) else None

    def say(self, passed: Sequence[float]) -> None:
        """Say which point this rank has passed last; it passes no other before all have said so."""
        self._side.store.set(f"{self._prefix}/passed/{self._side.rank}", json.dumps(list(passed)))

    def take_back(self) -> None:
        """Take back what this rank has said; who has read it already knows what `asked` says then."""
        self._side.store.set(f"{self._prefix}/passed/{self._side.rank}", "null")

    def farthest(self) -> Point | None:
        """Return the farthest point that any rank has passed, or None until all have said so."""
        keys = [f"{self._prefix}/passed/{rank}" for rank in range(self._side.world_size)]
        if not self._side.store.check(keys):
            return None
        said = [json.loads(text) for text in self._side.store.multi_get(keys)]
        return None if None in said else max(map(tuple, said))
