"""Streams: every sample once over ranks and workers, also when nobody knows how many there are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from engine_dataset import build_dataloader, get_loader_state, set_loader_state
from engine_dist.testing import ProcessPool
from tests.dataset.samples import draw


class Stream(IterableDataset[int]):
    """Numbers up to a limit, without a length."""

    metainfo = {"classes": ("a",)}  # noqa: RUF012  # a constant

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.size))


class Sized(Stream):
    def __len__(self) -> int:
        return self.size


class Plain:
    """No dataset of torch's, only something to iterate over."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Iterator[int]:
        yield from range(self.size)


def config(kind: type = Stream, size: int = 23, **changes: Any) -> dict[str, Any]:
    return {"dataset": kind(size), "batch_size": 2, "collate_fn": list, **changes}


def read(cfg: dict[str, Any]) -> list[int]:
    return list(chain.from_iterable(build_dataloader(cfg, seed=1)))


@pytest.mark.parametrize("kind", [Stream, Sized, Plain])
def test_batches_are_those_of_one_process_whatever_the_workers(kind: type) -> None:
    expected = [list(range(i, min(i + 2, 23))) for i in range(0, 23, 2)]
    for workers in (0, 1, 2):
        assert list(build_dataloader(config(kind, num_workers=workers), seed=1)) == expected
    unbatched = {**config(kind, num_workers=2, batch_size=None), "collate_fn": None}
    assert list(build_dataloader(unbatched)) == list(range(23))


class SplitByWorker(Stream):
    """Leaves to each worker its share, as torch's documentation shows it."""

    def __iter__(self) -> Iterator[int]:
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        yield from range(first, self.size, step)


class SplitAtOnce(SplitByWorker):
    """Asks for the worker before the first sample is wanted."""

    def __iter__(self) -> Iterator[int]:
        return iter(list(super().__iter__()))


@pytest.mark.parametrize("kind", [SplitByWorker, SplitAtOnce])
def test_a_stream_that_splits_itself_over_workers_is_split_once(kind: type) -> None:
    loader = build_dataloader(config(kind, num_workers=2, collate_fn=with_worker))
    batches = list(loader)
    assert list(chain(*(batch for _, batch in batches))) == list(range(23))
    assert {worker for worker, _ in batches} == {0, 1}


def with_worker(samples: list[int]) -> tuple[int, list[int]]:
    info = get_worker_info()
    assert info is not None
    return info.id, samples


@pytest.mark.parametrize("size", [0, 1, 23])
@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_share_it(pool2: ProcessPool, size: int, workers: int) -> None:
    parts = pool2.run(read, config(size=size, num_workers=workers))
    assert parts == [list(range(0, size, 2)), list(range(1, size, 2))]


@pytest.mark.parametrize("size", [0, 1, 4, 5, 23])
@pytest.mark.parametrize("drop_last", [False, True])
def test_in_training_every_rank_has_as_many_batches(
    pool2: ProcessPool, size: int, drop_last: bool
) -> None:
    cfg = config(Sized, size=size, drop_last=drop_last)
    one, other = pool2.run(even, cfg)
    assert one[0] == other[0] == len(one[1]) == len(other[1])
    used = size // 4 * 4 if drop_last else size // 2 * 2
    assert sorted(chain(*one[1], *other[1])) == list(range(used))


def even(cfg: dict[str, Any]) -> tuple[int, list[list[int]]]:
    loader = build_dataloader(cfg, even=not cfg["drop_last"])
    return len(loader), list(loader)


def lengths() -> int:
    return len(build_dataloader(config(Sized)).dataset)


def test_lengths(pool2: ProcessPool) -> None:
    assert len(build_dataloader(config(Sized))) == 12
    assert pool2.run(lengths) == [12, 11]
    with pytest.raises(TypeError, match="len"):
        len(build_dataloader(config(Stream)))
    cut = build_dataloader(config(Stream, num_batch_per_epoch=5))
    assert len(cut) == len(list(cut)) == 5


def test_what_the_stream_says_of_itself_is_reached() -> None:
    loader = build_dataloader(config())
    assert loader.dataset.metainfo == {"classes": ("a",)}
    assert not hasattr(loader.dataset, "nothing")


@pytest.mark.parametrize("name", ["sampler", "batch_sampler", "shuffle"])
def test_an_order_is_refused(name: str) -> None:
    value: Any = True if name == "shuffle" else {"type": "DefaultSampler"}
    with pytest.raises(TypeError, match=f"Stream can only be iterated over, which no {name} can"):
        build_dataloader({**config(), name: value})


# ------------------------------------------------------------------------ position


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (2, False), (2, True)])
@pytest.mark.parametrize("consumed", [1, 4])
def test_a_pass_goes_on_where_it_stood(workers: int, persistent: bool, consumed: int) -> None:
    cfg = config(num_workers=workers, persistent_workers=persistent)
    whole = list(build_dataloader(cfg))
    loader = build_dataloader(cfg)
    taken = list(islice(iter(loader), consumed))
    state = get_loader_state(loader, consumed=consumed)
    again = build_dataloader(cfg)
    assert set_loader_state(again, state) == consumed
    assert get_loader_state(again, consumed=0) == {**state, "consumed": 0}
    batches = iter(again)
    assert [*taken, next(batches)] == whole[: consumed + 1]
    # and a second time, in the same pass
    third = build_dataloader(cfg)
    assert set_loader_state(third, get_loader_state(again, consumed=1)) == consumed + 1
    assert list(third) == whole[consumed + 1 :]
    assert get_loader_state(third, consumed=0)["sampler"] == {
        "epoch": 1, "position": 0, "source": None, "seeded": False
    }  # fmt: skip
    assert list(third) == whole  # the next pass
    # also where workers have been at work for long
    set_loader_state(third, state)
    assert list(third) == whole[consumed:]


def some(
    cfg: dict[str, Any], state: dict[str, Any] | None, batches: int | None
) -> tuple[list[int], dict[str, Any]]:
    """Read so many batches, or the rest, from a position; return them and the position then."""
    loader = build_dataloader(cfg, seed=3)
    if state is not None:
        set_loader_state(loader, state)
    found = list(islice(loader, batches))
    return list(chain(*found)), get_loader_state(loader, consumed=len(found))


@pytest.mark.parametrize("workers", [(0, 2), (2, 0), (2, 1)])
def test_the_rest_is_read_on_other_ranks_and_workers(
    pool2: ProcessPool, workers: tuple[int, int]
) -> None:
    before, after = (config(num_workers=number) for number in workers)
    after["batch_size"] = 3
    # two processes read three batches of two each, one the rest
    (one, state), (other, same) = pool2.run(some, before, None, 3)
    assert state == same
    assert sorted(one + other) == list(range(12))
    assert some(after, state, None)[0] == list(range(12, 23))
    # and the other way round
    taken, state = some(before, None, 3)
    assert taken == list(range(6))
    (one, _), (other, _) = pool2.run(some, after, state, None)
    assert sorted(one + other) == list(range(6, 23))


class Counted(Stream):
    """Has a state, and notes what it reads."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.at = 0
        self.read: list[int] = []

    def __iter__(self) -> Iterator[int]:
        while self.at < self.size:
            self.at += 1
            self.read.append(self.at - 1)
            yield self.at - 1
        self.at = 0

    def state_dict(self) -> dict[str, int]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.at = state["at"]


class Count:
    """An iterator with a state."""

    def __init__(self, size: int, read: list[int]) -> None:
        self.size = size
        self.at = 0
        self.read = read

    def __iter__(self) -> Count:
        return self

    def __next__(self) -> int:
        if self.at == self.size:
            raise StopIteration
        self.at += 1
        self.read.append(self.at - 1)
        return self.at - 1

    state_dict = Counted.state_dict
    load_state_dict = Counted.load_state_dict


class CountedByIterator(Plain):
    """Gives iterators that have a state."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.read: list[int] = []

    def __iter__(self) -> Iterator[int]:
        return Count(self.size, self.read)


@pytest.mark.parametrize("kind", [Counted, CountedByIterator])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_with_a_state_is_not_read_again(
    pool2: ProcessPool, kind: type, workers: int
) -> None:
    cfg = config(kind, num_workers=workers)
    parts = pool2.run(some, cfg, None, 3)
    state = parts[0][1]
    place = {"epoch": 0, "position": 12, "source": {"at": 12}}
    assert state["sampler"] == {**place, "seeded": True}
    again = build_dataloader(config(kind))
    assert set_loader_state(again, state) == 6
    assert get_loader_state(again, consumed=0)["sampler"] == {**place, "seeded": False}
    assert list(chain(*again)) == again.dataset.read == list(range(12, 23))
    assert list(chain(*again)) == list(range(23))
    rest = pool2.run(some, cfg, state, None)
    assert sorted(rest[0][0] + rest[1][0]) == list(range(12, 23))


def test_a_state_of_other_batches_than_those_consumed_is_not_saved() -> None:
    loader = build_dataloader(config(Counted))
    batches = iter(loader)
    next(batches), next(batches)  # one of them was fetched ahead
    state = get_loader_state(loader, consumed=1)
    assert state["sampler"]["position"] == 2
    assert state["sampler"]["source"] is None
    assert some(config(Counted), state, None)[0] == list(range(2, 23))


# ------------------------------------------------------------------ random numbers


class Shuffled(Stream):
    """Gives its numbers in an order that it draws, and draws on while it gives them."""

    def __iter__(self) -> Iterator[Any]:
        order = list(range(self.size))
        random.shuffle(order)
        for number in order:
            yield number, draw()


def passes(cfg: dict[str, Any], number: int = 1) -> list[Any]:
    loader = build_dataloader(cfg, seed=3)
    return [list(chain(*loader)) for _ in range(number)]


def test_a_stream_that_draws_is_the_same_for_all(pool2: ProcessPool) -> None:
    cfg = config(Shuffled, num_workers=2)
    first, second = passes(cfg, 2)
    assert sorted(number for number, _ in first) == list(range(23))
    assert [number for number, _ in first] != [number for number, _ in second]
    assert passes({**cfg, "num_workers": 1}, 2) == [first, second]
    for workers in (0, 2):
        again = config(Shuffled, num_workers=workers)
        assert pool2.run(passes, again) == [[first[::2]], [first[1::2]]]
    taken, state = some(cfg, None, 4)
    torch.rand(3)
    assert taken + some(cfg, state, None)[0] == first
    assert passes({**cfg, "persistent_workers": True}, 2) == [first, second]


def seed_all() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  # the old generator is the one at stake
    torch.manual_seed(1)


def test_one_process_draws_from_its_own_generators_as_torchs_loader_does() -> None:
    found = []
    for loader in (build_dataloader(config(Shuffled), seed=3),
                   DataLoader(Shuffled(23), batch_size=2, collate_fn=list)):  # fmt: skip
        seed_all()
        found.append([list(loader), list(loader), draw()])
    assert found[0] == found[1]


def test_one_process_goes_on_with_a_stream_that_draws_its_order() -> None:
    loader = build_dataloader(config(Shuffled), seed=3)
    seed_all()
    whole = list(chain(*loader))
    again = build_dataloader(config(Shuffled), seed=3)
    set_loader_state(again, {**get_loader_state(loader, consumed=4), "consumed": 4})
    seed_all()
    rest = iter(again)  # which is where it stood at once, and draws on from what it is given now
    seed_all()
    found = list(chain(*rest))
    assert [number for number, _ in found] == [number for number, _ in whole[8:]]
    seed_all()
    assert found[0][1] == draw()


def test_what_a_stream_draws_elsewhere_is_told(caplog: pytest.LogCaptureFixture) -> None:
    for was, now in ((0, 2), (2, 0)):
        _, state = some(config(Shuffled, num_workers=was), None, 4)
        again = build_dataloader(config(Shuffled, num_workers=now), seed=3)
        caplog.clear()
        set_loader_state(again, {**state, "sampler": {**state["sampler"], "position": 0}})
        assert not caplog.text
        set_loader_state(again, state)
        assert "Shuffled was read by one process and is read by several" in caplog.text


def numbers_apart(workers: int) -> list[str]:
    """Return what is drawn besides a stream, without it and with it."""
    found = []
    for read in (False, True):
        loader = iter(build_dataloader(config(Shuffled, num_workers=workers), seed=3))
        seed_all()
        if read:
            next(loader)
        found.append(draw())
        if read:
            next(loader)
        found.append(draw())
    return found


def test_the_models_random_numbers_are_left_alone_on_several_ranks(pool2: ProcessPool) -> None:
    for found in pool2.run(numbers_apart, 0):
        assert found[:2] == found[2:]


class Epochs(Stream):
    """Is told its epoch."""

    epoch = -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter([self.epoch])


@pytest.mark.parametrize(
    "settings", [{}, {"num_workers": 1}, {"num_workers": 1, "persistent_workers": True}]
)
def test_a_stream_is_told_the_number_of_its_pass(settings: dict[str, Any]) -> None:
    loader = build_dataloader(config(Epochs, **settings))
    assert [list(loader) for _ in range(3)] == [[[0]], [[1]], [[2]]]
