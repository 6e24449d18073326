"""A loader from its configuration, and what goes wrong with one."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from engine_config import Config
from engine_dataset import (
    DefaultSampler,
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


@pytest.mark.parametrize("seed", [None, 1])
def test_without_workers_it_is_torchs_own(seed: int | None) -> None:
    assert type(build_dataloader(config(), seed=seed)) is DataLoader


@pytest.mark.parametrize("workers", [0, 2])
def test_a_cut_pass_that_goes_on_is_no_longer(workers: int) -> None:
    cfg = config(num_batch_per_epoch=4, num_workers=workers)
    loader = build_dataloader(cfg, seed=1)
    whole = numbers(loader)
    again = build_dataloader(cfg, seed=1)
    assert len(whole) == 12
    for stop in (3, 4):
        batches = list(islice(iter(loader), stop))
        set_loader_state(again, get_loader_state(loader, consumed=stop))
        assert numbers(batches) + numbers(again) == whole
        assert numbers(again) == whole  # and the next pass is whole


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


class Stream(IterableDataset[dict[str, int]]):
    """Some numbers, one after another."""

    def __iter__(self) -> Iterator[dict[str, int]]:
        return iter([{"number": n} for n in range(SIZE)])


class Belonging:
    """Ends a process that collects it and did not make it."""

    def __init__(self) -> None:
        self.itself = self
        self.pid = os.getpid()

    def __del__(self) -> None:
        if os.getpid() != self.pid:
            os._exit(1)


def collect_as_python_may() -> None:
    """Collect where a new process makes its first objects, if it may collect by itself there."""
    if _forking.is_set() and gc.isenabled():
        gc.collect()


_forking = Event()
os.register_at_fork(after_in_child=collect_as_python_may)


@pytest.mark.parametrize("stream", [False, True])
def test_workers_leave_garbage_alone_from_their_first_moment(stream: bool) -> None:
    belonging = Belonging()
    gc.collect()  # so that only a whole collection sees it from now on
    del belonging
    data: dict[str, Any] = {"dataset": Stream(), "sampler": None} if stream else {}
    _forking.set()
    try:
        loaded = numbers(build_dataloader(config(num_workers=1, **data), seed=0))
    finally:
        _forking.clear()
    assert sorted(loaded) == list(range(SIZE))
    assert gc.isenabled()


class Enabled(Numbers):
    """Gives whether its process collects garbage by itself."""

    def get_data_info(self, idx: int) -> dict[str, Any]:
        return super().get_data_info(int(gc.isenabled()))


@pytest.mark.parametrize("enabled", [False, True])
def test_workers_collect_garbage_of_their_own_as_their_parent_does(enabled: bool) -> None:
    loader = build_dataloader(config(dataset=Enabled(), num_workers=1))
    if not enabled:
        gc.disable()
    try:
        assert set(numbers(loader)) == {int(enabled)}
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


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


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"num_workers": -1}, {"batch_sise": 4}])
def test_an_error_names_the_loader(tmp_path: Path, settings: dict[str, int]) -> None:
    loader: dict[str, Any] = dict(settings)
    (tmp_path / "empty.json").write_text('{"metainfo": {}, "data_list": []}')
    loader["dataset"] = {"type": "BaseDataset", "ann_file": str(tmp_path / "empty.json")}
    (tmp_path / "c.py").write_text(f"x = 1\nval_dataloader = {loader!r}\n")
    cfg = Config.fromfile(tmp_path / "c.py")
    with pytest.raises((TypeError, ValueError)) as error:
        build_dataloader(cfg.val_dataloader, seed=1)
    note = f"in the data loader (val_dataloader, {tmp_path / 'c.py'}:2)"
    assert error.value.__notes__[-1] == note  # type: ignore[attr-defined,unused-ignore]  # new in 3.11
