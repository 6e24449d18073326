"""Streams: every sample once over ranks and workers, also when nobody knows how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import pytest
from torch.utils.data import IterableDataset

from engine_dataset import build_dataloader, get_loader_state, set_loader_state
from engine_dist.testing import ProcessPool


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
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_share_it(kind: type, workers: int) -> None:
    found = read(config(kind, num_workers=workers))
    assert sorted(found) == list(range(23))
    if workers < 2:
        assert found == list(range(23))


@pytest.mark.parametrize("size", [0, 1, 23])
def test_ranks_share_it(pool2: ProcessPool, size: int) -> None:
    parts = pool2.run(read, config(size=size))
    assert sorted(parts[0] + parts[1]) == list(range(size))
    assert len(parts[0]) - len(parts[1]) in (0, 1)


def test_workers_of_several_ranks_share_it() -> None:
    found: list[int] = []
    for rank in range(3):
        loader = build_dataloader(config(num_workers=2))
        loader.dataset.rank, loader.dataset.world_size = rank, 3  # as in a world of three
        found += chain.from_iterable(loader)
    assert sorted(found) == list(range(23))


def lengths() -> int:
    return len(build_dataloader(config(Sized)).dataset)


def test_lengths(pool2: ProcessPool) -> None:
    assert len(build_dataloader(config(Sized))) == 12
    assert pool2.run(lengths) == [12, 11]
    with pytest.raises(TypeError, match="len"):
        len(build_dataloader(config(Stream)))


def test_what_the_stream_says_of_itself_is_reached() -> None:
    loader = build_dataloader(config())
    assert loader.dataset.metainfo == {"classes": ("a",)}
    assert not hasattr(loader.dataset, "nothing")


@pytest.mark.parametrize("name", ["sampler", "batch_sampler", "shuffle"])
def test_an_order_is_refused(name: str) -> None:
    value: Any = True if name == "shuffle" else {"type": "DefaultSampler"}
    with pytest.raises(TypeError, match=f"Stream can only be iterated over, which no {name} can"):
        build_dataloader({**config(), name: value})


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("consumed", [1, 4])
def test_a_pass_goes_on_where_it_stood(workers: int, persistent: bool, consumed: int) -> None:
    if persistent and not workers:
        pytest.skip("there is no worker to persist")
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
    rest = list(third)
    assert sorted(chain(*whole[: consumed + 1], *rest)) == list(range(23))
    assert get_loader_state(third, consumed=0)["stream"]["batches"] == 0
    assert sorted(chain(*third)) == list(range(23))  # the next pass is whole


def test_another_layout_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    loader = build_dataloader(config())
    next(iter(loader))
    other = build_dataloader(config(batch_size=4))
    assert set_loader_state(other, get_loader_state(loader, consumed=1)) == 0
    assert "it begins anew" in caplog.text
    assert len(list(chain(*other))) == 23
