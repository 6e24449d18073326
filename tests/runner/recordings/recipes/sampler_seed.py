"""`DistSamplerSeedHook`: which epochs a sampler is told, also one within a batch sampler."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, Sampler

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.parts import BATCH, SAMPLES, Points, loader

ITERS = {"by_epoch": False, "max_iters": 8, "val_interval": 3}


class Told(Sampler[int]):
    """The samples in order; notes the epochs that it is told."""

    def __init__(self) -> None:
        self.noted: list[int | str] = []

    def __deepcopy__(self, memo: Any) -> Told:
        return self  # MMEngine builds a loader of a copy of its configuration

    def set_epoch(self, epoch: int) -> None:
        self.noted.append(epoch)

    def __iter__(self) -> Iterator[int]:
        self.noted.append("begun")
        return iter(range(SAMPLES))

    def __len__(self) -> int:
        return SAMPLES


def told(bench: Bench, kind: str, **changes: Any) -> Any:
    """Train, and tell what its sampler was told and when it was begun."""
    sampler = Told()
    loaders: dict[str, Any] = {
        "sampler": lambda: loader(sampler=sampler),
        "batches": lambda: DataLoader(Points(), batch_sampler=BatchSampler(sampler, BATCH, False)),
        "own": lambda: DataLoader(Points(), batch_size=BATCH, sampler=sampler),
    }
    bench.train(train_dataloader=loaders[kind](), **changes)
    return sampler.noted


RECIPES = {
    "sampler": partial(told, kind="sampler"),
    "sampler-of-batches": partial(told, kind="batches"),
    "sampler-of-loader": partial(told, kind="own"),
    "sampler-iterations": partial(told, kind="sampler", train_cfg=ITERS),
    "sampler-of-batches-iterations": partial(told, kind="batches", train_cfg=ITERS),
    "without-hook": partial(
        told, kind="sampler", default_hooks={"checkpoint": None, "sampler_seed": None}
    ),
}
