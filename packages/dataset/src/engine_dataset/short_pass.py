"""A pass over a loader without workers, with nothing done at each batch that is the same for all.

What torch's iterator does for a batch is a range for its profiler, three calls, and a look at what kind
of dataset there is. It costs a small model a tenth of its iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import getitem
from typing import Any

import torch
from torch.autograd.profiler import record_function
from torch.utils.data import _utils
from torch.utils.data.dataloader import _SingleProcessDataLoaderIter

from engine_dataset.stacking import short_way_of

__all__ = ["iterate"]

_profiled = torch.autograd._profiler_enabled  # type: ignore[attr-defined]  # of torch's C++
_MAP = _utils.fetch._MapDatasetFetcher
# what a pass is made of; where somebody has put something else in its place, that is what runs
_OWN = {
    (cls, name): getattr(cls, name)
    for cls, name in (
        (_SingleProcessDataLoaderIter, "__next__"),
        (_SingleProcessDataLoaderIter, "_next_data"),
        (_SingleProcessDataLoaderIter, "_next_index"),
        (_MAP, "fetch"),
    )
}


def iterate(loader: Any) -> Iterator[Any]:
    """Begin a pass over a loader: as ``iter(loader)``, and the same batches at less cost.

    Parameters
    ----------
    loader : iterable
        A torch `DataLoader` whose pass runs in this process, on a dataset that has its samples by
        number, goes a shorter way; any other its own.

    Returns
    -------
    iterator
        The batches. The loader's generators have drawn what they draw as a pass begins.
    """
    batches: Iterator[Any] = iter(loader)
    if type(batches) is not _SingleProcessDataLoaderIter or batches._pin_memory:
        return batches
    fetcher = batches._dataset_fetcher
    own = all(getattr(cls, name) is method for (cls, name), method in _OWN.items())
    if not own or type(fetcher) is not _MAP:
        return batches
    return map(_fetching(fetcher, batches._profile_name), batches._sampler_iter)


def _fetching(fetcher: Any, name: str) -> Callable[[Any], Any]:
    """Return what fetches a batch, in torch's range of that name where a profiler looks."""
    samples, collate = _samples(fetcher), short_way_of(fetcher.collate_fn)

    def fetch(keys: Any) -> Any:
        if _profiled():
            with record_function(name):
                return collate(samples(keys))
        return collate(samples(keys))

    return fetch


def _samples(fetcher: Any) -> Callable[[Any], Any]:
    dataset = fetcher.dataset
    if not fetcher.auto_collation:
        return partial(getitem, dataset)
    several = getattr(dataset, "__getitems__", None)
    return several or (lambda keys: [dataset[key] for key in keys])
