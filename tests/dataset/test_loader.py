"""The data loader built from a configuration, its random numbers and its position."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset as TorchConcat
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, get_worker_info

from engine_dataset import (
    ConcatDataset,
    DefaultSampler,
    InfiniteSampler,
    RepeatDataset,
    build_dataloader,
    default_collate,
    get_loader_state,
    set_loader_state,
)
from engine_dist.testing import ProcessPool
from engine_registry import FUNCTIONS
from tests.dataset.samples import Draw, Numbers, by_number, draw

SIZE = 13


def config(**changes: Any) -> dict[str, Any]:
    cfg: dict[str, Any] = {
        "batch_size": 3,
        "dataset": {"type": Numbers, "numbers": range(SIZE), "pipeline": [Draw()]},
        "sampler": {"type": "DefaultSampler", "seed": 5},
    }
    return {**cfg, **changes}


def numbers(batches: Any) -> list[int]:
    return [number for batch in batches for number in batch["number"]]


# ------------------------------------------------------------------------ building


def test_parts_are_built() -> None:
    loader = build_dataloader(config(collate_fn={"type": "default_collate"}), seed=3)
    assert isinstance(loader, DataLoader)
    assert isinstance(loader.dataset, Numbers)
    assert isinstance(loader.sampler, DefaultSampler)
    assert loader.sampler.seed == 5
    assert torch.is_tensor(next(iter(loader))["number"])
    assert len(loader) == 5
    assert build_dataloader(config(sampler={"type": "InfiniteSampler"}), seed=3).sampler.seed == 3


def test_functions_come_by_name_config_or_as_they_are() -> None:
    for given in ("default_collate", {"type": "default_collate"}, default_collate,
                  {"type": default_collate}):  # fmt: skip
        assert build_dataloader(config(collate_fn=given)).collate_fn is default_collate


def scaled(samples: Any, factor: int) -> list[int]:
    return [sample["number"] * factor for sample in samples]


def test_a_function_is_given_its_arguments() -> None:
    loader = build_dataloader(config(collate_fn={"type": scaled, "factor": 10}, shuffle=False))
    assert sorted(chain.from_iterable(loader)) == [10 * n for n in range(SIZE)]


def test_a_configuration_is_not_changed_and_used_twice() -> None:
    cfg = config()
    before = repr(cfg)
    first, second = (numbers(build_dataloader(cfg, seed=1)) for _ in range(2))
    assert repr(cfg) == before
    assert first == second


def test_batch_sampler() -> None:
    cfg = config(batch_sampler={"type": "BatchSampler", "drop_last": True})
    from engine_registry import DATA_SAMPLERS

    if DATA_SAMPLERS.get("BatchSampler") is None:
        cfg["batch_sampler"]["type"] = torch.utils.data.BatchSampler
    loader = build_dataloader(cfg, seed=0)
    assert [len(batch["number"]) for batch in loader] == [3, 3, 3, 3]
    state = get_loader_state(loader, consumed=2)
    again = build_dataloader(cfg, seed=0)
    assert set_loader_state(again, state) == 2
    assert numbers(again) == numbers(loader)[6:]


def test_a_pass_is_cut() -> None:
    for cfg in (config(num_batch_per_epoch=2), config(num_batch_per_epoch=9)):
        loader = build_dataloader(cfg, seed=0)
        assert isinstance(loader, DataLoader)
        expected = min(cfg["num_batch_per_epoch"], 5)
        assert len(loader) == expected
        assert [len(list(loader)) for _ in range(2)] == [expected] * 2
    assert len(list(build_dataloader(config(), num_batch_per_epoch=2))) == 2


def test_objects_stay_what_they_are() -> None:
    loader: Any = DataLoader(Numbers(), collate_fn=list)
    assert build_dataloader(loader, seed=3) is loader
    assert build_dataloader([1, 2]) == [1, 2]


def test_without_a_seed_it_is_torchs_own() -> None:
    assert type(build_dataloader(config())) is DataLoader


def test_where_nothing_is_drawn_it_is_torchs_own() -> None:
    plain = Numbers()

    class Own(Numbers):
        def prepare_data(self, idx: int) -> Any:
            return idx

    class Quiet(Own):
        draws_nothing = True  # type: ignore[assignment]  # an attribute says it as well

    class Same(Draw):
        draws_nothing = True

    tensors = TensorDataset(torch.arange(4))
    kinds: dict[bool, list[Any]] = {
        True: [plain, ConcatDataset([plain, plain]), RepeatDataset(plain, 2), [1, 2], tensors,
               Subset(tensors, [1]), TorchConcat([tensors, Subset(tensors, [0])]), torch.arange(3),
               Quiet(), Numbers(pipeline=[Same()])],
        False: [Own(), Numbers(pipeline=[Same(), Draw()]), ConcatDataset([plain, Own()]),
                Subset(Own(), [0]), TorchConcat([tensors, Own()]), Batched()],
    }  # fmt: skip
    for draws_nothing, datasets in kinds.items():
        for dataset in datasets:
            loader = build_dataloader(config(dataset=dataset), seed=1)
            assert (type(loader) is DataLoader) == draws_nothing, dataset


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (3, "a config with 'dataset', or gives batches when iterated over; got int"),
        ({"batch_size": 2}, "needs 'dataset'"),
        (config(batchsize=2), "has no parameters batchsize; it takes dataset, batch_size"),
    ],
)
def test_what_is_no_loader_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        build_dataloader(wrong)


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(ValueError, match="the dataset is empty: Numbers has no samples"):
        build_dataloader(config(dataset={"type": Numbers, "numbers": []}))


# ------------------------------------------------------------------ random numbers


def drawn(epoch: int = 0, seed: int = 7, **changes: Any) -> dict[int, str]:
    loader = build_dataloader(config(**changes), seed=seed)
    loader.sampler.set_epoch(epoch)
    return by_number(loader)


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


# ------------------------------------------------------------------------ position


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
    assert by_number(rest) == {n: d for n, d in drawn(epoch=3).items() if n in numbers(rest)}
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
    loader = build_dataloader(config(sampler=None, shuffle=True))
    assert set_loader_state(loader, get_loader_state(loader, consumed=2)) == 0
    assert "the position in the data is not restored: DataLoader has no sampler" in caplog.text


# ------------------------------------------------------------------- what goes wrong


class Broken:
    """Raises for one number."""

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        if sample["number"] == 4:
            raise LookupError("no such colour")
        return sample


@pytest.mark.parametrize("workers", [0, 1])
def test_a_failing_transform_is_named(workers: int) -> None:
    cfg = config(num_workers=workers)
    cfg["dataset"]["pipeline"] = [Draw(), Broken()]
    with pytest.raises(LookupError, match="no such colour") as caught:
        list(build_dataloader(cfg, seed=1))
    told = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "in step 1 of the pipeline, Broken" in told
    assert "with sample 4 of Numbers" in told


class Killed:
    """Kills its own process."""

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return sample


@pytest.mark.parametrize("seed", [None, 1])
def test_a_killed_worker_ends_the_run(seed: int | None) -> None:
    cfg = config(num_workers=1)
    cfg["dataset"]["pipeline"] = [Killed()]
    with pytest.raises(
        RuntimeError, match=r"DataLoader worker .* (killed by|exited un)"
    ) as caught:
        list(build_dataloader(cfg, seed=seed))
    (note,) = caught.value.__notes__
    assert (
        "the system ended a worker process of the data loader, mostly for want of memory" in note
    )


def test_infinite_sampler_in_a_loader_resumes() -> None:
    cfg = config(sampler={"type": "InfiniteSampler"})
    loader = build_dataloader(cfg, seed=2)
    assert isinstance(loader.sampler, InfiniteSampler)
    batches = iter(loader)
    first = [next(batches)["number"] for _ in range(6)]
    again = build_dataloader(cfg, seed=2)
    set_loader_state(again, get_loader_state(loader, consumed=6))
    assert next(iter(again)) == next(batches)
    assert len(first) == 6
