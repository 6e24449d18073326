"""In which order samples are read, and where in that order a run stands."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sized
from typing import Any

import torch
from torch.utils.data import Sampler

from engine_dist import data_parallel, sync_random_seed
from engine_registry import DATA_SAMPLERS

logger = logging.getLogger("engine.dataset")

_PART = 1 << 14


class ResumableSampler(Sampler[int]):
    """What both samplers share: a global order of all samples, dealt to the ranks in turn.

    The order is a function of seed and epoch.  Of the samples from a *position* in it, rank
    ``r`` of ``w`` reads those at ``position + r``, ``position + r + w``, … so that after ``n``
    samples on every rank exactly ``position + n * w`` samples of the order are behind.

    Parameters
    ----------
    dataset
        Anything with a length.
    shuffle
        Whether the order is a permutation that changes with the epoch.
    seed
        The seed of the order; None for a random one, the same on every rank.

    Raises
    ------
    ValueError
        If the dataset is empty.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        place = data_parallel()
        self.rank, self.world_size = place.rank, place.size
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed: int = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.size = len(dataset)
        if not self.size:
            raise ValueError(f"the dataset is empty: {describe(dataset)} has no samples to read")
        self._start = 0  # where the iterator of now began
        self._next_start = 0  # where the next iterator begins

    def set_epoch(self, epoch: int) -> None:
        """Make the next iterator go through the order of this epoch."""
        if epoch != self.epoch:
            self.epoch = epoch
            self._start = self._next_start = 0

    def state_dict(self, consumed: int = 0) -> dict[str, Any]:
        """Return seed, epoch, position and number of samples, as plain values.

        Parameters
        ----------
        consumed
            Samples that this rank has taken from the iterator of now.
        """
        position = self._next_start or self._start + consumed * self.world_size
        return {"seed": self.seed, "epoch": self.epoch, "position": position, "size": self.size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, on whatever number of processes.

        Where the dataset has another number of samples than it had, its epoch begins anew.
        """
        self.seed = state["seed"]
        self.epoch = state["epoch"]
        self._start, self._next_start = 0, state["position"]
        if state["size"] != self.size and self._next_start:
            logger.warning(
                "%s has %d samples and had %d when its position was saved: its epoch begins anew",
                describe(self.dataset),
                self.size,
                state["size"],
            )
            self._next_start = 0

    def epochs(self) -> Iterator[int]:
        """Yield, for every index of the iterator of now, the epoch that it belongs to."""
        return itertools.repeat(self.epoch)

    def _begin(self) -> int:
        self._start, self._next_start = self._next_start, 0
        return self._start

    def _order(self, epoch: int) -> torch.Tensor:
        if not self.shuffle:
            return torch.arange(self.size)
        generator = torch.Generator()
        generator.manual_seed(self.seed + epoch)
        return torch.randperm(self.size, generator=generator)


@DATA_SAMPLERS.register_module()
class DefaultSampler(ResumableSampler):
    """One pass over the dataset an epoch, each sample on one rank.

    Parameters
    ----------
    dataset
        Anything with a length.
    shuffle
        Whether the order is a permutation that changes with the epoch.
    seed
        The seed of the order; None for a random one, the same on every rank.
    round_up
        Whether every rank reads as many samples as the others: the order is continued from
        its beginning where it does not come out even.

    Raises
    ------
    ValueError
        If the dataset is empty, or has fewer samples than there are ranks and is not
        rounded up.

    Examples
    --------
    >>> sampler = DefaultSampler(range(5), shuffle=False)
    >>> list(sampler), len(sampler)
    ([0, 1, 2, 3, 4], 5)
    >>> sampler.load_state_dict(sampler.state_dict(consumed=3))
    >>> list(sampler)
    [3, 4]
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        super().__init__(dataset, shuffle, seed)
        self.round_up = round_up
        self.num_samples = self._share(0)
        self.total_size = self.num_samples * self.world_size if round_up else self.size
        if self.size < self.world_size:
            message = f"{describe(dataset)} has {self.size} samples for {self.world_size} ranks: "
            if not round_up:
                raise ValueError(
                    f"{message}some would have none; use fewer ranks or round_up=True"
                )
            logger.warning("%sthey are repeated so that each rank has one", message)

    def _share(self, position: int) -> int:
        """How many samples this rank reads from a position on."""
        left = self.size - position
        if self.round_up:
            return math.ceil(left / self.world_size)
        return max(0, math.ceil((left - self.rank) / self.world_size))

    def __iter__(self) -> Iterator[int]:
        start = self._begin()
        order = self._order(self.epoch)
        end = start + self._share(start) * self.world_size if self.round_up else self.size
        if end > self.size:
            order = order.repeat(math.ceil(end / self.size))
        mine = order[start + self.rank : end : self.world_size]
        # not one list: a Python integer takes four times the memory
        return itertools.chain.from_iterable(
            mine[i : i + _PART].tolist() for i in range(0, len(mine), _PART)
        )

    def __len__(self) -> int:
        """Return how many samples this rank reads in a whole epoch."""
        return self.num_samples


@DATA_SAMPLERS.register_module()
class InfiniteSampler(ResumableSampler):
    """Pass after pass over the dataset, without end, each sample of a pass on one rank.

    Parameters
    ----------
    dataset
        Anything with a length.
    shuffle
        Whether the order is a permutation, another one for each pass.
    seed
        The seed of the order; None for a random one, the same on every rank.

    Examples
    --------
    >>> from itertools import islice
    >>> list(islice(InfiniteSampler(range(3), shuffle=False), 7))
    [0, 1, 2, 0, 1, 2, 0]
    """

    def __iter__(self) -> Iterator[int]:
        return self._passes(self._begin() + self.rank)

    def _passes(self, position: int) -> Iterator[int]:
        for number in itertools.count(position // self.size):
            indices = self._order(number)[position - number * self.size :: self.world_size]
            yield from indices.tolist()
            position += len(indices) * self.world_size

    def epochs(self) -> Iterator[int]:
        """Yield, for every index of the iterator of now, the pass that it belongs to."""
        return (n // self.size for n in itertools.count(self._start + self.rank, self.world_size))

    def __len__(self) -> int:
        """Return the number of samples of the dataset, on all ranks together."""
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the order has no epochs."""


def describe(dataset: object) -> str:
    """Name a dataset in a message: its class, and its annotation file if it has one."""
    file = getattr(dataset, "ann_file", "")
    return f"{type(dataset).__name__}{f' ({file})' if file else ''}"
