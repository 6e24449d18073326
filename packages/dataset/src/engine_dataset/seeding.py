"""The seeds of workers, and of streams that several processes read."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.random import mtrand

from engine_registry import FUNCTIONS

__all__ = ["kept_apart", "seed_pass", "worker_init_fn"]

_MASK = 2**64 - 1


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


def seed_pass(seed: int, epoch: int) -> None:
    """Seed what a stream draws from in a pass, the same in every process that reads it."""
    mixed = _mixed(_mixed(seed) ^ epoch)
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
def _undisturbed(bits: Any) -> Iterator[None]:
    """Put the generators back after it; until then numpy draws from ``bits``."""
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
