"""The order of samples: a function of seed and epoch, dealt to the ranks, resumable."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_dataset import DefaultSampler, InfiniteSampler
from engine_dist.testing import ProcessPool
from engine_registry import DATA_SAMPLERS


def as_rank(sampler: Any, rank: int, world_size: int) -> Any:
    """Let a sampler deal to a rank of another world than that of this process."""
    sampler.rank, sampler.world_size = rank, world_size
    if isinstance(sampler, DefaultSampler):
        sampler.num_samples = sampler._share(0)
    return sampler


def default(size: int, rank: int = 0, world_size: int = 1, **kwargs: Any) -> DefaultSampler:
    made: DefaultSampler = as_rank(DefaultSampler(range(size), **kwargs), rank, world_size)
    return made


@given(size=st.integers(4, 40), world_size=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_ranks_share_the_order_of_one(size: int, world_size: int, seed: int) -> None:
    order = list(default(size, seed=seed))
    assert sorted(order) == list(range(size))
    parts = [
        list(default(size, rank, world_size, seed=seed, round_up=False))
        for rank in range(world_size)
    ]
    dealt = [parts[n % world_size][n // world_size] for n in range(size)]
    assert dealt == order


@given(size=st.integers(1, 30), world_size=st.integers(1, 8))
def test_rounded_up_every_rank_has_as_many(size: int, world_size: int) -> None:
    samplers = [default(size, r, world_size, shuffle=False) for r in range(world_size)]
    each = -(-size // world_size)
    assert [len(sampler) for sampler in samplers] == [each] * world_size
    parts = [list(sampler) for sampler in samplers]
    dealt = [parts[n % world_size][n // world_size] for n in range(each * world_size)]
    assert dealt == [n % size for n in range(each * world_size)]


@given(
    size=st.integers(1, 40),
    before=st.integers(1, 4),
    after=st.integers(1, 4),
    consumed=st.integers(0, 12),
    epoch=st.integers(0, 3),
)
def test_the_rest_of_an_epoch_on_another_world_size(
    size: int, before: int, after: int, consumed: int, epoch: int
) -> None:
    consumed = min(consumed, size // before)
    state: dict[str, Any] = {}
    taken: list[int] = []
    for rank in range(before):
        sampler = default(size, rank, before, seed=3)
        sampler.set_epoch(epoch)
        taken += islice(sampler, consumed)
        state = sampler.state_dict(consumed)
    assert state == {"seed": 3, "epoch": epoch, "position": consumed * before, "size": size}
    rest: list[int] = []
    for rank in range(after):
        sampler = default(size, rank, after, seed=9)
        sampler.load_state_dict(state)
        rest += sampler
        assert len(list(sampler)) == len(sampler)  # the next pass is whole
    missing = set(range(size)) - set(taken)
    assert missing <= set(rest)
    assert len(rest) == -(-(size - consumed * before) // after) * after


def test_an_epoch_is_another_order() -> None:
    sampler = default(50, seed=1)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert sorted(sampler) == list(range(50))


def test_setting_the_epoch_that_is_resumed_keeps_the_position() -> None:
    sampler = default(10, seed=1)
    sampler.load_state_dict({"seed": 1, "epoch": 2, "position": 6, "size": 10})
    sampler.set_epoch(2)
    assert sampler.state_dict()["position"] == 6
    assert len(list(sampler)) == 4
    sampler.load_state_dict({"seed": 1, "epoch": 2, "position": 6, "size": 10})
    sampler.set_epoch(3)
    assert len(list(sampler)) == 10


def test_another_number_of_samples_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    sampler = default(10, seed=1)
    sampler.load_state_dict({"seed": 1, "epoch": 2, "position": 6, "size": 12})
    assert len(list(sampler)) == 10
    assert "has 10 samples and had 12" in caplog.text


def infinite(rank: int = 0, world_size: int = 1, size: int = 5, **kwargs: Any) -> Iterator[int]:
    return iter(as_rank(InfiniteSampler(range(size), **kwargs), rank, world_size))


@given(size=st.integers(1, 9), world_size=st.integers(1, 4))
def test_infinite_ranks_share_the_order_of_one(size: int, world_size: int) -> None:
    one = list(islice(infinite(size=size, seed=2), 24))
    for start in range(0, 24 - size, size):
        assert sorted(one[start : start + size]) == list(range(size))
    parts = [
        list(islice(infinite(rank, world_size, size, seed=2), 24)) for rank in range(world_size)
    ]
    assert [parts[n % world_size][n // world_size] for n in range(24)] == one


@given(consumed=st.integers(0, 20), after=st.integers(1, 4))
def test_infinite_goes_on_on_another_world_size(consumed: int, after: int) -> None:
    order = list(islice(infinite(seed=2), 60))
    sampler = as_rank(InfiniteSampler(range(5), seed=2), 0, 2)
    iter(sampler)
    state = sampler.state_dict(consumed)
    for rank in range(after):
        other = as_rank(InfiniteSampler(range(5), seed=8), rank, after)
        other.load_state_dict(state)
        found = list(islice(other, 4))
        assert found == order[2 * consumed + rank :: after][:4]


def test_infinite_has_no_epochs_to_set() -> None:
    sampler = InfiniteSampler(range(5), seed=2)
    sampler.load_state_dict({"seed": 2, "epoch": 0, "position": 3, "size": 5})
    sampler.set_epoch(4)
    assert sampler.state_dict()["position"] == 3
    assert len(sampler) == 5


def seeds_and_orders() -> tuple[int, list[int]]:
    sampler = DefaultSampler(range(9))
    return sampler.seed, list(sampler)


def test_without_a_seed_ranks_agree_on_one(pool2: ProcessPool) -> None:
    (seed, one), (other_seed, other) = pool2.run(seeds_and_orders)
    assert seed == other_seed
    assert set(one) | set(other) == set(range(9))
    assert len(one) == len(other) == 5


def few(size: int, round_up: bool) -> list[int]:
    return list(DefaultSampler(range(size), shuffle=False, round_up=round_up))


def test_fewer_samples_than_ranks(pool2: ProcessPool) -> None:
    from engine_dist.testing import RankError

    assert pool2.run(few, 1, True) == [[0], [0]]
    with pytest.raises(RankError, match="range has 1 samples for 2 ranks: some would") as caught:
        pool2.run(few, 1, False)
    assert sorted(caught.value.failures) == [0, 1]
    with pytest.raises(RankError, match="the dataset is empty: range has no samples") as caught:
        pool2.run(few, 0, True)
    assert sorted(caught.value.failures) == [0, 1]


def test_registered() -> None:
    assert DATA_SAMPLERS.get("DefaultSampler") is DefaultSampler
    assert DATA_SAMPLERS.get("InfiniteSampler") is InfiniteSampler
