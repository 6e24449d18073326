"""The random numbers that samples and workers draw."""

from __future__ import annotations

import random
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.random import mtrand
from torch.utils.data import Dataset, get_worker_info

from engine_registry import FUNCTIONS

__all__ = ["SeededSamples", "WithEpochs", "kept_apart", "seed_sample", "worker_init_fn"]

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
    mixed = _mixed(_of_pass(seed, epoch) ^ number)
    random.seed(mixed)
    np.random.seed(mixed & 0xFFFFFFFF)  # noqa: NPY002  # user code draws from the old generator
    torch.default_generator.manual_seed(mixed)  # a pipeline draws on the CPU


@lru_cache(maxsize=16)
def _of_pass(seed: int, epoch: int) -> int:
    return _mixed(_mixed(seed) ^ epoch)


def _mixed(value: int) -> int:
    """Spread a number over 64 bits: the output function of splitmix64."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


@contextmanager
def _undisturbed(bits: Any = _SAMPLES) -> Iterator[None]:
    """Put the generators back, so that the model draws as if no sample had been loaded.

    Until then numpy draws from ``bits``.
    """
    own, cpu = random.getstate(), torch.get_rng_state()
    # Copying numpy's state takes 300 µs, exchanging the generator one.  What is lost is the second
    # half of a pair of normal numbers, where the model has drawn an odd number of them by numpy.
    old = mtrand.get_bit_generator()
    mtrand.set_bit_generator(bits)
    try:
        yield
    finally:
        random.setstate(own)
        torch.set_rng_state(cpu)
        mtrand.set_bit_generator(old)


def kept_apart(batches: Iterator[Any]) -> Iterator[Any]:
    """Give batches that are drawn, in this process, from generators of their own."""
    bits = np.random.MT19937(0)
    own: Any = None
    while True:
        with _undisturbed(bits):
            if own is not None:
                random.setstate(own[0])
                torch.set_rng_state(own[1])
            try:
                batch = next(batches)
            except StopIteration:
                return
            own = random.getstate(), torch.get_rng_state()
        yield batch


class SeededSamples(Dataset[Any]):
    """A dataset of (index, epoch) that seeds what it draws from, and makes the batches itself.

    What the collate function draws follows on what the last sample has drawn, and leaves the
    model's generators alone as the samples do.

    Parameters
    ----------
    dataset
        What gives an item for an index.
    seed
        The run's seed, the same on every rank.
    collate_fn
        What makes a batch of samples; of one sample, where there are no batches.
    each : bool
        Whether every sample is seeded, or, where only the collate function draws, the batch.
    """

    def __init__(
        self, dataset: Any, seed: int, collate_fn: Callable[[Any], Any], *, each: bool
    ) -> None:
        self.dataset = dataset
        self.seed = seed
        self.collate_fn = collate_fn
        self.each = each

    def __getitem__(self, key: tuple[Any, int]) -> Any:
        return self._made(lambda: self._sample(key))

    def __getitems__(self, keys: Sequence[tuple[Any, int]]) -> Any:
        """Return a batch."""
        return self._made(lambda: self._samples(keys))

    def _made(self, samples: Callable[[], Any]) -> Any:
        if get_worker_info() is not None:
            return self.collate_fn(samples())
        with _undisturbed():
            return self.collate_fn(samples())

    def _sample(self, key: tuple[Any, int]) -> Any:
        index, epoch = key
        seed_sample(self.seed, epoch, index)
        return self.dataset[index]

    def _samples(self, keys: Sequence[tuple[Any, int]]) -> Sequence[Any]:
        together = hasattr(self.dataset, "__getitems__")  # it wants all of a batch at once
        if self.each and not together:
            return [self._sample(key) for key in keys]
        indices = [index for index, _ in keys]
        seed_sample(self.seed, keys[0][1], indices[0])
        if together:
            batch: Sequence[Any] = self.dataset.__getitems__(indices)
            return batch
        return [self.dataset[index] for index in indices]


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
