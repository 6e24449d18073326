"""What samples draw depends on the seed, the epoch and the sample alone."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, get_worker_info

from engine_dataset import (
    build_dataloader,
)
from engine_dist.testing import ProcessPool
from engine_registry import FUNCTIONS
from tests.dataset.samples import SIZE, Draw, Numbers, by_number, config, draw, drawn


def test_what_a_sample_draws_depends_on_nothing_but_seed_epoch_and_sample() -> None:
    expected = drawn()
    assert len(set(expected.values())) == SIZE
    cases: list[dict[str, Any]] = [
        {"num_workers": 1, "prefetch_factor": 1},
        {"num_workers": 2, "prefetch_factor": 4},
        {"batch_size": 5},
        {"batch_size": None, "collate_fn": list_of_one},
        {"sampler": {"type": "DefaultSampler", "shuffle": False}},
    ]
    for changes in cases:
        assert drawn(**changes) == expected, changes
    for other in (drawn(epoch=1), drawn(seed=8)):
        assert not set(expected.values()) & set(other.values())


def list_of_one(sample: dict[str, Any]) -> dict[str, Any]:
    return {key: [value] for key, value in sample.items()}


def test_ranks_draw_what_one_process_draws(pool2: ProcessPool) -> None:
    one, other = pool2.run(drawn)
    assert one.keys() != other.keys()
    assert {**one, **other} == drawn()


def test_persistent_workers_follow_the_epoch() -> None:
    loader = build_dataloader(config(num_workers=1, persistent_workers=True), seed=7)
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        assert by_number(loader) == drawn(epoch=epoch)


def test_passes_of_an_infinite_sampler_are_epochs() -> None:
    loader = build_dataloader(config(sampler={"type": "InfiniteSampler"}), seed=7)
    samples: list[tuple[int, Any]] = []
    for batch in loader:
        samples += zip(batch["number"], batch["drawn"], strict=True)
        if len(samples) > 2 * SIZE:
            break
    assert dict(samples[:SIZE]) == drawn()
    assert dict(samples[SIZE : 2 * SIZE]) == drawn(epoch=1)


def test_the_models_random_numbers_are_left_alone() -> None:
    loader = build_dataloader(config(sampler={"type": "DefaultSampler", "seed": 5}), seed=7)
    found = []
    for read in (False, True):
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002  # the old generator is the one at stake
        torch.manual_seed(1)
        batches: Iterator[Any] = iter(loader)
        if read:
            next(batches)
        found.append(draw())
    assert found[0] == found[1]


class Batched(Dataset[Any]):
    """Gives a whole batch at once."""

    def __len__(self) -> int:
        return SIZE

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        draws = [draw() for _ in indices]
        return [{"number": i, "drawn": d} for i, d in zip(indices, draws, strict=True)]


def draw_a_batch(samples: list[Any]) -> dict[str, Any]:
    """Draw for all samples at once, as mixing them does."""
    return {"number": [int(s["number"]) for s in samples], "drawn": [draw()] * len(samples)}


@pytest.mark.parametrize("pipeline", [[], [Draw()]])
def test_a_collate_function_draws_as_the_samples_do(pipeline: list[Any]) -> None:
    dataset = Numbers(range(SIZE), pipeline=pipeline)
    cfg = config(dataset=dataset, collate_fn=draw_a_batch)
    expected = drawn(**cfg)
    assert len(set(expected.values())) == 5
    for changes in ({"num_workers": 1}, {"num_workers": 2, "prefetch_factor": 1}):
        assert drawn(**cfg, **changes) == expected
    assert not set(drawn(**cfg, epoch=1).values()) & set(expected.values())
    batches = iter(build_dataloader(cfg, seed=7))
    before = torch.get_rng_state()
    next(batches)
    assert torch.equal(torch.get_rng_state(), before)


def test_datasets_that_read_batches_are_seeded_a_batch() -> None:
    expected = drawn(dataset=Batched())
    assert drawn(dataset=Batched(), num_workers=2) == expected
    assert drawn(dataset=Batched(), epoch=1) != expected


class Seen(Dataset[int]):
    """Gives what the worker's generator draws first."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        info = get_worker_info()
        return 0 if info is None else int(info.id)


@FUNCTIONS.register_module()
def note_worker(worker_id: int, num_workers: int, rank: int, seed: int, extra: str) -> None:
    os.environ["NOTED"] = f"{worker_id} {num_workers} {rank} {seed} {extra}"


class Noted(Seen):
    def __getitem__(self, index: int) -> Any:
        return os.environ["NOTED"]


def test_worker_init_fn_by_name_is_given_the_run() -> None:
    loader = build_dataloader(
        {"dataset": Noted(), "num_workers": 2, "shuffle": False,
         "worker_init_fn": {"type": "note_worker", "extra": "x"}},
        seed=9,
    )  # fmt: skip
    assert sorted(chain.from_iterable(loader)) == ["0 2 0 9 x", "1 2 0 9 x"]
