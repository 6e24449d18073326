"""A loader goes on where another stood."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from torch.utils.data import RandomSampler

from engine_dataset import (
    InfiniteSampler,
    build_dataloader,
    find_loader_state,
    get_loader_state,
    seekable,
    set_loader_state,
)
from engine_dist.testing import ProcessPool
from tests.dataset.samples import SIZE, config, numbers


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pass_goes_on_where_it_stood(workers: int) -> None:
    cfg = config(num_workers=workers)
    loader = build_dataloader(cfg, seed=7)
    loader.sampler.set_epoch(3)
    batches = iter(loader)
    taken = [next(batches) for _ in range(2)]
    state = get_loader_state(loader, consumed=2)

    again = build_dataloader(cfg, seed=7)
    assert set_loader_state(again, state) == 2
    rest = list(again)
    assert numbers(taken) + numbers(rest) == numbers(build_epoch(cfg, 3))
    again.sampler.set_epoch(4)
    assert numbers(again) == numbers(build_epoch(cfg, 4))


def build_epoch(cfg: dict[str, Any], epoch: int) -> Any:
    loader = build_dataloader({**cfg, "num_workers": 0}, seed=7)
    loader.sampler.set_epoch(epoch)
    return loader


def part(state: dict[str, Any] | None, batches: int | None) -> tuple[list[int], dict[str, Any]]:
    """Read some batches, or the rest, from a position; return them and the next position."""
    loader = build_dataloader(config(batch_size=2), seed=7)
    if state is not None:
        set_loader_state(loader, state)
    found = [batch["number"] for _, batch in zip(range(batches or 99), loader, strict=False)]
    return list(chain.from_iterable(found)), get_loader_state(loader, consumed=len(found))


def test_the_rest_is_read_on_another_world_size(pool2: ProcessPool) -> None:
    # two processes read two batches of two each, one process the other five samples
    parts = pool2.run(part, None, 2)
    taken = [n for found, _ in parts for n in found]
    states = [state for _, state in parts]
    assert states[0] == states[1]
    rest, _ = part(states[0], None)
    assert sorted(taken + rest) == list(range(SIZE))
    # and the other way round; the last round of two is filled up from the beginning
    taken, state = part(None, 3)
    halves = pool2.run(part, state, None)
    rest = [n for found, _ in halves for n in found]
    assert len(rest) == 8
    assert set(taken) | set(rest) == set(range(SIZE))
    assert len(set(rest)) == 7 or set(rest) & set(taken)


def test_a_loader_with_a_state_of_its_own_is_asked_for_it() -> None:
    module = pytest.importorskip("torchdata.stateful_dataloader.stateful_dataloader")

    def make() -> Any:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it sets a vital, which torch 2.13 warns of
            return module.StatefulDataLoader(range(SIZE), batch_size=3, collate_fn=list)

    loader = make()
    batches = iter(loader)
    next(batches)
    again = make()
    assert set_loader_state(again, get_loader_state(loader, consumed=1)) == 1
    rest = iter(again)
    assert next(rest) == next(batches)
    # a second time in the same pass
    third = make()
    assert set_loader_state(third, get_loader_state(again, consumed=1, behind=1)) == 2
    assert list(third) == list(batches)


def test_a_position_that_cannot_be_restored_is_told(caplog: pytest.LogCaptureFixture) -> None:
    loader = build_dataloader(config(sampler=RandomSampler(range(SIZE))))
    assert not seekable(loader)
    state = get_loader_state(loader, consumed=1, behind=1)
    assert set_loader_state(loader, state) == 2  # to be read past
    assert not caplog.text
    assert set_loader_state(loader, {**state, "batch_size": 4, "ranks": 2}) == 0
    assert (
        "the position in the data is not restored: DataLoader has no sampler of this engine, and "
        "batch_size was 4 and is 3; ranks was 2 and is 1"
    ) in caplog.text
    known = build_dataloader(config())
    assert seekable(known)
    assert set_loader_state(known, state) == 0
    assert "it was saved of another kind of loader than this DataLoader" in caplog.text


def test_infinite_sampler_in_a_loader_resumes() -> None:
    cfg = config(sampler={"type": "InfiniteSampler"})
    loader = build_dataloader(cfg, seed=2)
    assert isinstance(loader.sampler, InfiniteSampler)
    batches = iter(loader)
    first = [next(batches)["number"] for _ in range(6)]
    again = build_dataloader(cfg, seed=2)
    set_loader_state(again, get_loader_state(loader, consumed=6))
    assert next(iter(again))["number"] == next(batches)["number"]
    assert len(first) == 6


@pytest.mark.parametrize("sampler", ["DefaultSampler", "InfiniteSampler"])
def test_a_place_is_found_from_the_count_of_batches_alone(sampler: str) -> None:
    cfg = config(batch_size=2, sampler={"type": sampler, "shuffle": True})
    loader = build_dataloader(cfg, seed=7)
    length, whole = len(loader), sampler == "DefaultSampler"
    for batches in (0, 1, length, length + 2):
        passes, state = find_loader_state(loader, batches)
        assert passes == (batches // length if whole else 0)
        assert state is not None
        again = build_dataloader(cfg, seed=7)
        again.sampler.set_epoch(passes)
        set_loader_state(again, state)
        fresh = build_dataloader(cfg, seed=7)
        fresh.sampler.set_epoch(passes)
        rest = batches - passes * length
        expected = [b["number"] for _, b in zip(range(3 * length), fresh, strict=False)][rest:]
        found = [b["number"] for _, b in zip(range(len(expected)), again, strict=False)]
        assert found == expected != []


def test_a_place_that_cannot_be_found_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert find_loader_state((n for n in range(3)), 2) == (0, None)
    assert "2 batches were read, and where that is a generator cannot tell" in caplog.text


def test_what_is_behind_counts_in_a_resumed_pass() -> None:
    # a run that was resumed two batches into a pass, one batch later
    first, again = (build_dataloader(config(), seed=7) for _ in range(2))
    next(iter(first))
    set_loader_state(again, get_loader_state(first, consumed=2))
    next(iter(again))
    assert get_loader_state(again, consumed=1, behind=2)["consumed"] == 3
