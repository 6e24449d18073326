"""The samples of a comparison: the same in the same order, whoever trains on them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from engine_dataset import build_dataloader
from engine_dataset.iterable import is_stream
from engine_registry import DATASETS
from engine_runner.checks.apart import Generators
from engine_runner.checks.data import HERE
from engine_runner.hooks.sampler_seed import set_sampler_epoch

__all__ = ["Batches", "Plan", "digest", "plan_of"]

Batch = list[int]


@dataclass(frozen=True)
class Plan:
    """Which samples are trained on.

    Attributes
    ----------
    data : Dataset
        All samples.
    batches : sequence
        By iteration and part of its samples, their indices.
    length : int, optional
        Iterations of a pass over the data; None where that has no end.
    """

    data: Any
    batches: Sequence[Sequence[Batch]]
    length: int | None

    def loader(self, settings: Mapping[str, Any], share: int, shares: int) -> Any:
        """Return a loader of one share of each iteration's samples, of so many: one part or several."""
        size = len(self.batches[0]) // shares
        own = [
            [index for one in parts[share * size : (share + 1) * size] for index in one]
            for parts in self.batches
        ]
        given = {"dataset": self.data, "batch_sampler": Batches(own, self.length)}
        if "collate_fn" in settings:
            given["collate_fn"] = settings["collate_fn"]
        return build_dataloader(given)


class Batches:
    """A batch sampler that gives what was planned, pass after pass.

    Parameters
    ----------
    batches : sequence of list of int
        All of them.
    length : int, optional
        How many a pass has.
    """

    def __init__(self, batches: Sequence[Batch], length: int | None) -> None:
        self._left = iter(batches)
        self._length = length

    def __iter__(self) -> Iterator[Batch]:
        # a generator takes none before the first is wanted: torch makes two for a pass
        yield from islice(self._left, self._length)

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("passes over the data have no end")
        return self._length


def plan_of(settings: Mapping[str, Any], seed: int, parts: int, iterations: int) -> Plan:
    """Deal the samples of a loader, as one process would read them, to the parts of a job.

    A pass is cut where a batch is smaller than the others, or does not fill all parts.

    Parameters
    ----------
    settings : Mapping
        The loader's configuration.
    seed : int
        What samplers draw from, and what a sample draws as it is made, together with its index.
    parts : int
        How many processes share the samples.
    iterations : int
        How many there are.

    Raises
    ------
    ValueError
        If there are not as many batches as parts.
    """
    given = dict(settings.items())
    limit = given.pop("num_batch_per_epoch", None)
    size = given.get("batch_size", 1)
    source = given["dataset"]
    source = DATASETS.build(source) if isinstance(source, Mapping) else source
    if hasattr(source, "full_init"):
        source.full_init()
    if is_stream(source):
        source = list(islice(source, (size or 1) * parts * iterations))
    loader = build_dataloader({**given, **HERE, "dataset": source}, seed=seed)
    if loader.batch_sampler is None:
        raise ValueError("train_dataloader makes no batches of its samples: give it a batch_size")
    plain = given.get("batch_sampler") is None
    batches = _batches(loader, size if plain else None, parts)
    dealt = [list(islice(batches, parts)) for _ in range(iterations)]
    return Plan(
        _Drawn(source, seed), dealt, _length(loader, size if plain else None, parts, limit)
    )


def _batches(loader: Any, size: int | None, parts: int) -> Iterator[Batch]:
    for number in count():
        set_sampler_epoch(loader, number)
        whole: list[Batch] = []
        found = False
        for batch in loader.batch_sampler:
            if size is None or len(batch) == size:
                whole.append(list(batch))
            if len(whole) == parts:
                yield from whole
                whole, found = [], True
        if not found:
            raise ValueError(
                f"the training data has fewer than {parts} whole batches, one for each process; "
                "give train_dataloader a smaller batch_size, or compare on fewer processes (--nproc)"
            )


def _length(loader: Any, size: int | None, parts: int, limit: int | None) -> int | None:
    try:
        there = len(loader) if size is None else len(loader.batch_sampler.sampler) // size
    except TypeError:
        return limit
    return min(there // parts, limit or there)


class _Drawn(Dataset[Any]):
    """Samples that draw random numbers by their index, so that they are the same wherever they are made.

    Attributes
    ----------
    seen : list of int
        What tells each sample that was made from others.
    """

    def __init__(self, inner: Any, seed: int) -> None:
        self._inner = inner
        self._seed = seed
        self.seen: list[int] = []

    def __len__(self) -> int:
        return len(self._inner)

    def __getitem__(self, index: int) -> Any:
        generators = Generators()
        seed = (self._seed * 1_000_003 + int(index)) % 2**32
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # which user code draws from
        torch.default_generator.manual_seed(seed)
        try:
            sample = self._inner[index]
        finally:
            generators.put_back()
        self.seen.append(digest(sample))
        return sample

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what torch asks for to make several samples at once, too
            raise AttributeError(name)
        return getattr(self._inner, name)


def digest(sample: Any) -> int:
    """Return a number that tells a sample's values from others."""
    return _digest(sample, 0, 8)


def _digest(value: Any, seed: int, depth: int) -> int:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return zlib.crc32(np.ascontiguousarray(value).tobytes(), seed)
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return zlib.crc32(repr(value).encode(), seed)
    if depth == 0:
        return seed
    inner = value if isinstance(value, (Mapping, list, tuple)) else getattr(value, "__dict__", {})
    for one in inner.items() if isinstance(inner, Mapping) else enumerate(inner):
        seed = _digest(one[1], zlib.crc32(repr(one[0]).encode(), seed), depth - 1)
    return seed
