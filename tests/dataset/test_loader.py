"""A loader from its configuration, and what goes wrong with one."""

from __future__ import annotations

import gc
import os
import signal
from itertools import chain
from typing import Any

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, Subset, TensorDataset
from torch.utils.data import ConcatDataset as TorchConcat

from engine_dataset import (
    ConcatDataset,
    DefaultSampler,
    RepeatDataset,
    build_dataloader,
    default_collate,
    get_loader_state,
    set_loader_state,
)
from engine_dist.testing import ProcessPool
from tests.dataset.samples import SIZE, Draw, Numbers, config, numbers


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
    cfg = config(batch_sampler={"type": BatchSampler, "drop_last": True})
    loader = build_dataloader(cfg, seed=0)
    assert [len(batch["number"]) for batch in loader] == [3, 3, 3, 3]
    state = get_loader_state(loader, consumed=2)
    again = build_dataloader(cfg, seed=0)
    assert set_loader_state(again, state) == 2
    assert numbers(again) == numbers(loader)[6:]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batches", [None, {"type": BatchSampler, "drop_last": True}])
def test_without_a_sampler_there_is_the_default_one(shuffle: bool, batches: Any) -> None:
    loader = build_dataloader(config(sampler=None, batch_sampler=batches, shuffle=shuffle), seed=3)
    sampler = loader.sampler if batches is None else loader.batch_sampler.sampler
    assert isinstance(sampler, DefaultSampler)
    assert (sampler.shuffle, sampler.seed) == (shuffle, 3)
    assert (numbers(loader) == list(range(12 if batches else 13))) is not shuffle


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
                Subset(Own(), [0]), TorchConcat([tensors, Own()])],
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


class Collecting(Numbers):
    """Collects garbage for every sample."""

    def get_data_info(self, idx: int) -> dict[str, Any]:
        gc.collect()
        return super().get_data_info(idx)


def with_garbage() -> list[int]:
    """Load while a process group that is gone waits to be collected, which only its maker can."""
    gc.disable()
    group = torch.distributed.new_group([0, 1])
    torch.distributed.barrier(group=group)
    torch.distributed.destroy_process_group(group)
    cycle: list[Any] = [group]
    cycle.append(cycle)
    del group, cycle
    try:
        return numbers(build_dataloader(config(dataset=Collecting(), num_workers=1)))
    finally:
        gc.enable()
        gc.collect()


def test_workers_leave_the_garbage_of_their_parent_alone(pool2: ProcessPool) -> None:
    one, other = pool2.run(with_garbage)
    assert {*one, *other} == set(range(5))


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
