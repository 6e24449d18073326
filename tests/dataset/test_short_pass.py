"""A pass over a loader by the short way, against torch's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset
from torch.utils.data.dataloader import _SingleProcessDataLoaderIter

from engine_dataset import build_dataloader, iterate


class Drawing(Dataset[dict[str, Any]]):
    """Samples that draw a number each."""

    def __len__(self) -> int:
        return 11

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": torch.tensor([float(index)]) + torch.rand(1), "n": index}


class AtOnce(Drawing):
    """Gives the samples of a batch at once."""

    def __getitems__(self, keys: list[int]) -> list[dict[str, Any]]:
        return [{"n": -key} for key in keys]


class Ending(Drawing):
    """Ends in its middle."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 5:
            raise StopIteration
        return super().__getitem__(index)


class Failing(Drawing):
    """Fails in its middle."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 5:
            raise OSError("no such file")
        return super().__getitem__(index)


class Stream(IterableDataset[int]):
    """Numbers."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(5))


def _drawn(batches: Any) -> tuple[list[Any], int]:
    found = []
    for batch in batches:
        found.append({key: one.tolist() for key, one in batch.items()})
    return found, int(torch.randint(2**40, ()))


LOADERS: dict[str, dict[str, Any]] = {
    "in order": {"batch_size": 4},
    "shuffled": {"batch_size": 4, "shuffle": True},
    "without the rest": {"batch_size": 4, "shuffle": True, "drop_last": True},
    "by a generator": {"batch_size": 3, "shuffle": True, "generator": "made"},
    "samples alone": {"batch_size": None},
    "batches by hand": {"batch_sampler": [[3, 1], [0]]},
    "own collating": {"batch_size": 2, "collate_fn": lambda batch: batch[-1] | {"n": Tensor([1])}},
}


@pytest.mark.parametrize(
    "dataset", [Drawing(), AtOnce(), Ending(), Subset(Drawing(), [4, 2, 9, 7, 0])]
)
@pytest.mark.parametrize("settings", LOADERS.values(), ids=LOADERS)
def test_batches_and_draws_are_those_of_torchs_way(dataset: Any, settings: dict[str, Any]) -> None:
    if isinstance(dataset, Subset) and "batch_sampler" in settings:
        settings = {"batch_sampler": [[2, 1], [0]]}
    if settings.get("batch_size", 1) is None:
        settings = {**settings, "collate_fn": lambda one: {"n": torch.tensor(one["n"])}}
    outcomes = []
    for begin in (iter, iterate):
        torch.manual_seed(3)
        generator = torch.Generator().manual_seed(5)
        made = {**settings, "generator": generator} if "generator" in settings else settings
        loader: DataLoader[Any] = DataLoader(dataset, **made)
        outcomes.append([_drawn(begin(loader)) for _ in range(2)])
        if begin is iterate:
            assert isinstance(begin(loader), map)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0][0]


def test_an_error_of_a_sample_comes_as_it_is() -> None:
    batches = iterate(DataLoader(Failing(), batch_size=4))
    assert next(batches)["n"].tolist() == [0, 1, 2, 3]
    with pytest.raises(OSError, match="no such file"):
        next(batches)


def test_an_ended_pass_stays_ended() -> None:
    batches = iterate(DataLoader(Drawing(), batch_size=11))
    assert len(list(batches)) == 1
    assert next(batches, None) is None


def test_a_configured_loader_that_is_cut_goes_the_short_way_too() -> None:
    loader = build_dataloader(
        {"dataset": Drawing(), "batch_size": 2, "num_batch_per_epoch": 3}, seed=0
    )
    batches: Any = iter(loader)
    assert isinstance(batches, map)
    assert [len(batch["n"]) for batch in loader] == [2, 2, 2]


def test_a_profiler_sees_torchs_range() -> None:
    loader: DataLoader[Any] = DataLoader(Drawing(), batch_size=4)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        list(iterate(loader))
    name = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"
    assert sum(event.name == name for event in seen.events() or ()) == 3


def test_what_somebody_has_put_in_torchs_place_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(self: Any) -> Any:
        raise StopIteration

    monkeypatch.setattr(_SingleProcessDataLoaderIter, "__next__", mine)
    assert list(iterate(DataLoader(Drawing(), batch_size=4))) == []


def test_streams_and_other_iterables_go_their_own_way() -> None:
    batches = iterate(DataLoader(Stream(), batch_size=2))
    assert type(batches) is _SingleProcessDataLoaderIter
    assert [batch.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
    assert list(iterate([1, 2])) == [1, 2]


def test_a_loader_with_an_iterator_of_its_own_uses_that() -> None:
    class Own(DataLoader[Any]):
        def __iter__(self) -> Any:
            return iter(["mine"])

    assert list(iterate(Own(Drawing()))) == ["mine"]


def test_a_collate_function_that_is_changed_between_passes_is_heeded() -> None:
    loader: DataLoader[Any] = DataLoader(Drawing(), batch_size=4)
    next(iterate(loader))
    loader.collate_fn = len
    assert list(iterate(loader)) == [4, 4, 3]
