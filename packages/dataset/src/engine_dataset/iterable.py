"""Streams of samples, split over ranks and workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info
from torch.utils.data._utils import worker

from engine_dataset.seeding import seed_pass
from engine_dist import data_parallel

__all__ = ["SplitStream", "is_stream"]

logger = logging.getLogger("engine.dataset")


def is_stream(dataset: Any) -> bool:
    """Tell whether a dataset can only be iterated over, not indexed."""
    return isinstance(dataset, IterableDataset) or (
        isinstance(dataset, Iterable) and not hasattr(dataset, "__getitem__")
    )


class SplitStream(IterableDataset[Any]):
    """A stream dealt to all ranks in turn, and batch by batch to the workers of each.

    Every process reads the whole stream, which must be the same for all of them, and passes on
    what is its own. (A source that asks for torch's worker, to split itself, is told of none.)
    Each rank's batches are those of one process without workers, in that order, and after ``n`` of them on every rank the samples that are behind are the first ``n`` times
    batch size times ranks of the stream. So a pass goes on from a number of samples, with
    whatever workers and ranks. A stream that has ``state_dict`` and ``load_state_dict``, or whose
    iterator has, is put back by them; of any other, what is behind is read once more and dropped.

    Parameters
    ----------
    source
        An `IterableDataset`, or anything with ``__iter__``. Its ``set_epoch``, if it has one, is
        called with the number of the pass.
    batch_size
        Samples of a batch; 1 where there are no batches.
    seed
        What the source's random numbers are drawn from, with the number of the pass, the same in
        every process; None to leave the generators alone, as where one process reads.
    even
        Whether every rank gets as many samples as the others: fewer samples than there are ranks
        are left out at the end of the stream.

    Examples
    --------
    >>> list(SplitStream("abc"))
    ['a', 'b', 'c']
    """

    def __init__(
        self,
        source: Iterable[Any],
        *,
        batch_size: int = 1,
        seed: int | None = None,
        even: bool = False,
    ) -> None:
        self.source = source
        self.batch_size = batch_size
        self.seed = seed
        self.even = even
        place = data_parallel()
        self.rank, self.world_size = place.rank, place.size
        self.epoch = 0  # passes begun
        self._with_state: Any = None  # the source, or the iterator of now, if it has a state
        self._start = 0  # samples that were behind when the pass of now began
        self._next_start = 0  # and those that are when the next one begins
        self._next_state: Any = None  # of the source, there
        self._noted: tuple[int, Any] = (0, None)  # the source's state after some batches

    def state_dict(self, consumed: int = 0) -> dict[str, Any]:
        """Return which pass it is, how many samples are behind, and the source's state if known.

        Parameters
        ----------
        consumed
            Samples that this rank has taken from the iterator of now.
        """
        epoch, position, source = self.epoch, self._next_start, self._next_state
        if consumed:
            epoch, position = epoch - 1, self._start + consumed * self.world_size
            noted, state = self._noted
            source = state if noted == position else None
        return {
            "epoch": epoch, "position": position, "source": source,
            "seeded": self.seed is not None,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next pass go on where `state_dict` was taken."""
        self.epoch = state["epoch"]
        self._start, self._next_start = 0, state["position"]
        self._next_state = state["source"]
        if self._next_start and state["seeded"] != (self.seed is not None):
            logger.warning(
                "%s was read by one process and is read by several, or the other way round: what "
                "it draws is other than it was, and if that is its order, samples of this pass are "
                "read twice or not at all", type(self.source).__name__,
            )  # fmt: skip

    def begun(self) -> None:
        """Take note that a pass has begun, whichever process reads."""
        self.epoch += 1
        self._start, self._next_start = self._next_start, 0
        self._next_state = None
        self._noted = (self._start, None)

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        number, workers = (0, 1) if info is None else (info.id, info.num_workers)
        start, state, epoch = self._next_start, self._next_state, self.epoch
        if info is not None:  # which has a copy of its own
            self.begun()
        elif self.world_size == 1:  # at once: a resume has the generators as the pass began now
            return self._begin(epoch, start, state)
        return self._share(start, state, epoch, number, workers)

    def _share(
        self, start: int, state: Any, epoch: int, number: int, workers: int
    ) -> Iterator[Any]:
        items = self._begin(epoch, start, state)
        size, ranks, rank = self.batch_size, self.world_size, self.rank
        whole = ranks if self.even else rank + 1
        _leave_out(items, number * size * ranks)
        while True:
            for _ in range(size):
                dealt = tuple(islice(items, ranks))
                if len(dealt) < whole:
                    return
                yield dealt[rank]
            _leave_out(items, (workers - 1) * size * ranks)

    def _begin(self, epoch: int, start: int, state: Any) -> Iterator[Any]:
        """Return the source's items from a start on."""
        if self.seed is not None:
            seed_pass(self.seed, epoch)
        source: Any = self.source
        if hasattr(source, "set_epoch"):
            source.set_epoch(epoch)
        of_source = _has_state(source)
        if state is not None and of_source:
            source.load_state_dict(state)
        with _alone():
            items: Any = iter(source)
        if state is not None and not of_source:
            items.load_state_dict(state)
        self._with_state = next((thing for thing in (source, items) if _has_state(thing)), None)
        if get_worker_info() is not None:
            items = _all_of(items)
        if state is None:
            _leave_out(items, start)
        return items  # type: ignore[no-any-return]  # an iterator

    def source_state(self) -> Any:
        """Return the state of the source or of its iterator; None where neither has one."""
        return None if self._with_state is None else self._with_state.state_dict()

    def noting(self, batches: Iterator[tuple[Any, Any]]) -> Iterator[Any]:
        """Give batches that come with the source's state, and keep the state."""
        position = self._start
        for batch, state in batches:
            position += self.batch_size * self.world_size
            self._noted = (position, state)
            yield batch

    def __len__(self) -> int:
        """Return how many samples this rank gets, where the stream has a length."""
        size: int = len(self.source)  # type: ignore[arg-type]  # or the TypeError it is
        if self.even:
            return size // self.world_size
        return len(range(self.rank, size, self.world_size))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "source":
            raise AttributeError(name)
        return getattr(self.source, name)


class WithSourceState:
    """A collate function that gives, with each batch, the state of the stream behind it.

    Parameters
    ----------
    collate_fn
        What makes the batch.
    stream
        The stream of the main process; in a worker that process's copy is asked.
    """

    def __init__(self, collate_fn: Callable[[Any], Any], stream: SplitStream) -> None:
        self._collate = collate_fn
        self._stream = stream

    def __call__(self, samples: Any) -> tuple[Any, Any]:
        """Return the batch and the state."""
        info = get_worker_info()
        stream: Any = self._stream if info is None else info.dataset
        return self._collate(samples), stream.source_state()


def _has_state(thing: object) -> bool:
    return hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")


@contextmanager
def _alone() -> Iterator[None]:
    """Hide that this is a worker, from a source that would pass on its own share only."""
    known, worker._worker_info = worker._worker_info, None  # torch has no other way
    try:
        yield
    finally:
        worker._worker_info = known


def _all_of(items: Iterator[Any]) -> Iterator[Any]:
    while True:
        with _alone():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def _leave_out(items: Iterator[Any], number: int) -> None:
    next(islice(items, number, number), None)
