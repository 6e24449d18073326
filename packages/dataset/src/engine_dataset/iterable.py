"""Streams of samples, split over ranks and workers."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from engine_dist import get_dist_info

logger = logging.getLogger("engine.dataset")


def is_stream(dataset: Any) -> bool:
    """Tell whether a dataset can only be iterated over, not indexed."""
    return isinstance(dataset, IterableDataset) or (
        isinstance(dataset, Iterable) and not hasattr(dataset, "__getitem__")
    )


class SplitStream(IterableDataset[Any]):
    """A stream dealt to all workers of all ranks in turn: every sample once, none twice.

    All of them read the whole stream, which must be the same for all and, for a resume, the same
    again; each passes on what is its own. The length need not be known.

    Parameters
    ----------
    source
        An `IterableDataset`, or anything with ``__iter__``.

    Examples
    --------
    >>> list(SplitStream("abc"))
    ['a', 'b', 'c']
    """

    def __init__(self, source: Iterable[Any]) -> None:
        self.source = source
        self.rank, self.world_size = get_dist_info()
        self._pending = 0  # batches that the next pass leaves out
        self._left_out = 0  # batches that the pass of now left out
        self._batch_size = 1

    def state(self, loader: Any, consumed: int) -> dict[str, int]:
        """Return where a loader of this stream stands, and what must be as it was to go on."""
        done = self._left_out + consumed if consumed else 0
        return {"batches": self._pending or done, **self._layout(loader)}

    def go_on(self, loader: Any, state: Mapping[str, int]) -> int:
        """Let the next pass begin where ``state`` was taken; return the batches left out."""
        layout, batches = self._layout(loader), state["batches"]
        if batches and layout != {name: state[name] for name in layout}:
            logger.warning(
                "the stream's position was saved with %s, this run has %s: it begins anew",
                {name: state[name] for name in layout},
                layout,
            )
            batches = 0
        self._pending, self._batch_size = batches, layout["batch_size"]
        return batches

    def begun(self) -> None:
        """Take note that a pass has begun, whichever process reads."""
        self._left_out, self._pending = self._pending, 0

    def _layout(self, loader: Any) -> dict[str, int]:
        return {
            "batch_size": loader.batch_size or 1,
            "num_workers": loader.num_workers,
            "world_size": self.world_size,
        }

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        batches, size = self._pending, self._batch_size
        if worker is not None:  # which has a copy of its own
            self._pending = 0
        # the worker whose turn it was then is the first to be asked now
        number = (number + batches) % workers
        begun = len(range(number, batches, workers)) * size
        first = self.rank + self.world_size * (number + workers * begun)
        return itertools.islice(self.source, first, None, self.world_size * workers)

    def __len__(self) -> int:
        """Return how many samples this rank gets, where the stream has a length."""
        return len(range(self.rank, len(self.source), self.world_size))  # type: ignore[arg-type]  # or the TypeError it is

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "source":
            raise AttributeError(name)
        return getattr(self.source, name)
