"""Ranks and collectives, on real processes."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

import engine_dist as dist
from engine_dist.testing import ProcessPool, RankError


def collect() -> tuple[object, ...]:
    rank, world_size = dist.get_dist_info()
    value = torch.tensor([float(rank + 1)])
    dist.all_reduce(value)
    gathered = [int(t) for t in dist.all_gather(torch.tensor([rank]))]
    objects: list[str | None] = ["said by 0" if rank == 0 else None]
    dist.broadcast_object_list(objects)
    results = dist.collect_results([rank, rank + world_size], 3)
    return world_size, value.item(), gathered, objects[0], results, dist.sync_random_seed()


def test_two_ranks(pool2: ProcessPool) -> None:
    first, second = pool2.run(collect)
    assert first[:4] == second[:4] == (2, 3.0, [0, 1], "said by 0")
    assert first[4] == [0, 1, 2]
    assert second[4] is None
    assert first[5] == second[5]


def fail_on_one() -> None:
    if dist.get_rank() == 1:
        raise ValueError("rank one fails")
    dist.barrier()


def test_a_failing_rank_is_told(pool2: ProcessPool) -> None:
    with pytest.raises(RankError, match=r"rank 1: .*\n(.*\n)*.*rank one fails"):
        pool2.run(fail_on_one)
    assert pool2.run(dist.get_world_size) == [2, 2]


def test_without_a_group_each_is_the_identity() -> None:
    value = torch.tensor([2.0])
    dist.all_reduce(value)
    assert value.item() == 2.0
    assert dist.get_dist_info() == (0, 1)
    assert dist.is_main_process()
    assert not dist.is_distributed()
    assert dist.collect_results([1, 2, 3], 2) == [1, 2]
    assert dist.all_gather_object("a") == ["a"]
    with pytest.raises(NotImplementedError, match="device must be one of cpu"):
        dist.collect_results([], 0, device="tpu")


def draw() -> list[float]:
    generator_of_old = np.random.rand()  # noqa: NPY002  # what user code draws from
    return [random.random(), float(generator_of_old), torch.rand(1).item()]


def test_random_state_comes_back() -> None:
    dist.set_random_seed(3)
    first = draw()
    state = dist.get_rng_state()
    later = draw()
    dist.set_rng_state(state)
    assert draw() == later
    dist.set_random_seed(3)
    assert draw() == first


def test_an_unknown_launcher() -> None:
    with pytest.raises(ValueError, match="launcher must be one of pytorch, torchrun, slurm, mpi"):
        dist.init_dist("rocket")
