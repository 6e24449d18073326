"""The random numbers that samples and workers draw."""

from __future__ import annotations

import random
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.random import mtrand
from torch.utils.data import Dataset, get_worker_info

from engine_registry import FUNCTIONS

__all__ = ["SeededSamples", "WithEpochs", "draws_nothing", "seed_sample", "worker_init_fn"]

_MASK = 2**64 - 1
_SAMPLES = np.random.MT19937(0)  # what samples draw from in the main process


@FUNCTIONS.register_module()
def worker_init_fn(
    worker_id: int,
    num_workers: int,
    rank: int,
    seed: int,
    disable_subprocess_warning: bool = False,
) -> None:
    """Seed a worker process with a number of its own.

    Parameters
    ----------
    worker_id, num_workers : int
        Which of how many workers of its rank it is.
    rank : int
        The rank that it works for.
    seed : int
        The run's seed.
    disable_subprocess_warning : bool
        Keep the worker from writing what the main process has written already.
    """
    own = num_workers * rank + worker_id + seed
    np.random.seed(own % 2**32)  # noqa: NPY002  # user code draws from the old generator
    random.seed(own)
    torch.manual_seed(own)
    if disable_subprocess_warning and worker_id != 0:
        warnings.simplefilter("ignore")


def seed_sample(seed: int, epoch: int, index: object) -> None:
    """Seed what a pipeline draws from with a number that seed, epoch and sample determine."""
    number = index if isinstance(index, int) else zlib.crc32(repr(index).encode())
    mixed = _mixed(_mixed(_mixed(seed) ^ epoch) ^ number)
    random.seed(mixed)
    np.random.seed(mixed & 0xFFFFFFFF)  # noqa: NPY002  # user code draws from the old generator
    torch.default_generator.manual_seed(mixed)  # a pipeline draws on the CPU


def _mixed(value: int) -> int:
    """Spread a number over 64 bits: the output function of splitmix64."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put the generators back, so that the model draws as if no sample had been loaded."""
    own, cpu = random.getstate(), torch.get_rng_state()
    # Copying numpy's state takes 300 µs, exchanging the generator one.  What is lost is the second
    # half of a pair of normal numbers, where the model has drawn an odd number of them by numpy.
    old = mtrand.get_bit_generator()
    mtrand.set_bit_generator(_SAMPLES)
    try:
        yield
    finally:
        random.setstate(own)
        torch.set_rng_state(cpu)
        mtrand.set_bit_generator(old)


class SeededSamples(Dataset[Any]):
    """A dataset whose items draw from a seed of their own, by (index, epoch).

    Parameters
    ----------
    dataset
        What gives an item for an index.
    seed
        The run's seed, the same on every rank.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __getitem__(self, key: tuple[Any, int]) -> Any:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[tuple[Any, int]]) -> Sequence[Any]:
        """Return the samples of a batch."""
        if get_worker_info() is not None:
            return self._samples(keys)
        with _undisturbed():
            return self._samples(keys)

    def _samples(self, keys: Sequence[tuple[Any, int]]) -> Sequence[Any]:
        if hasattr(self.dataset, "__getitems__"):  # it wants all of a batch at once
            seed_sample(self.seed, keys[0][1], keys[0][0])
            batch: Sequence[Any] = self.dataset.__getitems__([index for index, _ in keys])
            return batch
        samples = []
        for index, epoch in keys:
            seed_sample(self.seed, epoch, index)
            samples.append(self.dataset[index])
        return samples


class WithEpochs:
    """What a sampler or batch sampler gives, each index with the epoch that it is drawn for.

    Parameters
    ----------
    source
        The sampler or batch sampler.
    sampler
        The sampler that knows the epochs; of any other the passes are counted.
    batched
        Whether ``source`` gives lists of indices.
    """

    def __init__(self, source: Any, sampler: Any, *, batched: bool) -> None:
        self._source = source
        self._sampler = sampler
        self._batched = batched
        self._passes = 0

    def __iter__(self) -> Iterator[Any]:
        epochs: Iterator[int] | None = None
        number, self._passes = self._passes, self._passes + 1
        for given in self._source:
            if epochs is None:  # not before the sampler has begun
                epochs = self._epochs(number)
            if self._batched:
                yield list(zip(given, epochs))  # noqa: B905  # the epochs have no end
            else:
                yield given, next(epochs)

    def _epochs(self, number: int) -> Iterator[int]:
        if hasattr(self._sampler, "epochs"):
            epochs: Iterator[int] = self._sampler.epochs()
            return epochs
        return iter(lambda: number, None)

    def __len__(self) -> int:
        return len(self._source)


def draws_nothing(dataset: Any) -> bool:
    """Tell whether a dataset is known to draw no random numbers."""
    known = getattr(dataset, "draws_nothing", None)
    return bool(known()) if callable(known) else False
