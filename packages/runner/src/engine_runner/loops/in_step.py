"""As many forward passes on every rank, where a forward pass is a collective.

A rank that is out of batches repeats its last one, or one of another rank's if it never had any, and drops
what comes of it: to metrics and hooks there is no such batch. Where all ranks know how many they have, they
agree once; otherwise before each batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from engine_dataset import iterate
from engine_dist import all_gather, all_reduce, broadcast_object_list, get_rank

__all__ = ["in_step"]

_UNKNOWN = -1
_END = object()


def in_step(loader: Any, forward: Callable[[Any], Any]) -> Iterator[Any]:
    """Yield this rank's batches, and run what the others have more of; every rank iterates to the end.

    Parameters
    ----------
    loader : iterable
        This rank's batches.
    forward : callable
        The pass that all ranks take part in, for a batch whose outputs are dropped.
    """
    lengths = [int(length) for length in all_gather(torch.tensor(_length(loader)))]
    most = None if _UNKNOWN in lengths else max(lengths)
    batches = iterate(loader)
    last = None
    for number in count():
        own = _END if number == most else next(batches, _END)
        if number == most or (most is None and not _anywhere(own is not _END)):
            return
        last = _shared(own) if number == 0 else last if own is _END else own
        if own is _END:
            forward(last)
        else:
            yield own


def _length(loader: Any) -> int:
    """Return how many batches a loader gives, if that can be relied on: a stream may be wrong of it."""
    if isinstance(getattr(loader, "dataset", None), IterableDataset):
        return _UNKNOWN
    known = isinstance(loader, DataLoader | list | tuple)
    return len(loader) if known else _UNKNOWN


def _anywhere(here: bool) -> bool:
    flag = torch.tensor(int(here))
    all_reduce(flag, "max")
    return bool(flag)


def _shared(own: Any) -> Any:
    """Return the batch of this rank or, where it has none, that of the first rank with one."""
    having = [bool(one) for one in all_gather(torch.tensor(int(own is not _END)))]
    if all(having):
        return own
    source = having.index(True)
    sent: list[Any] = [own if get_rank() == source else None]
    broadcast_object_list(sent, source)
    return sent[0] if own is _END else own
