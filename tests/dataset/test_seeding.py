"""What samples draw is what MMEngine's draw, and a pass that goes on draws as the unbroken one."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, Dataset, get_worker_info

from engine_dataset import (
    build_dataloader,
    get_loader_state,
    set_loader_state,
    worker_init_fn,
)
from engine_dataset.worker_rng import Start, WorkerStates
from engine_dist.testing import ProcessPool
from engine_registry import FUNCTIONS
from tests.dataset.draws import CASES, FILE, SEED, Drawing, config, seed_all, two_passes

# on a machine with fewer cores torch warns of the third worker
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker")
RECORDED: dict[str, Any] = json.loads(FILE.read_text())


KEPT: list[Any] = []


@pytest.fixture(autouse=True)
def _workers_end() -> Iterator[None]:
    """End persistent workers: they hold the pipes of the pool, and as garbage are waited for."""
    yield
    for loader in KEPT:
        if getattr(loader, "persistent_workers", False) and loader.inner._iterator is not None:
            loader.inner._iterator._shutdown_workers()
    KEPT.clear()


def kept(cfg: dict[str, Any]) -> Any:
    KEPT.append(build_dataloader(cfg, seed=SEED))
    return KEPT[-1]


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_are_mmengines(case: str) -> None:
    seed_all()
    found = two_passes(kept(config(**CASES[case])))
    assert json.loads(json.dumps(found)) == RECORDED[case]


def first_numbers(workers: int) -> list[Any]:
    cfg = config(num_workers=workers, sampler={"type": "DefaultSampler", "shuffle": False})
    return [batch[1][1] for batch in islice(build_dataloader(cfg, seed=SEED), workers)]


def test_every_worker_of_every_rank_has_its_seed(pool2: ProcessPool) -> None:
    for rank, found in enumerate(pool2.run(first_numbers, 2)):
        expected = []
        for worker in range(2):
            worker_init_fn(worker, num_workers=2, rank=rank, seed=SEED)
            # of the samples 0, 2 | 4, 6 | 8, 10 the first rank's second draws
            second = (4 * worker + rank + 2) % 3
            if (4 * worker + rank) % 3:
                Drawing()[4 * worker + rank]
            expected.append(Drawing()[second][1])
        assert found == expected


# --------------------------------------------------------------- a pass that goes on

KINDS: dict[str, dict[str, Any]] = {
    "workers": {"num_workers": 2},
    "persistent": {"num_workers": 2, "persistent_workers": True},
    "far ahead": {"num_workers": 3, "prefetch_factor": 4},
    "persistent, three": {"num_workers": 3, "persistent_workers": True},
    "one": {"num_workers": 1},
}
BATCHES = 7


def passes_from(loader: Any, epoch: int, last: int) -> list[Any]:
    """Return what a loader gives from a place on to the end of the last pass."""
    found = []
    for number in range(epoch, last):
        if number > epoch:
            loader.sampler.set_epoch(number)
        found.append([list(batch) for batch in loader])
    return found


def broken(cfg: dict[str, Any], epoch: int, stop: int, ahead: int = 0) -> dict[str, Any]:
    """Return the state after so many batches of a pass, of which some were only asked for."""
    seed_all()
    loader = kept(cfg)
    for number in range(epoch):
        list(loader)
        loader.sampler.set_epoch(number + 1)
    batches = iter(loader)
    list(islice(batches, min(stop + ahead, BATCHES)))
    return get_loader_state(loader, consumed=stop)


def check(kind: dict[str, Any], epoch: int, stop: int, ahead: int = 0) -> None:
    cfg = config(**kind)
    seed_all()
    loader = kept(cfg)
    whole = []
    for number in range(3):
        loader.sampler.set_epoch(number)
        whole.append([list(batch) for batch in loader])
    state = broken(cfg, epoch, stop, ahead)
    torch.rand(3)  # the main process's generators matter to no worker
    again = kept(cfg)
    set_loader_state(again, state)
    assert passes_from(again, epoch, 3) == [whole[epoch][stop:], *whole[epoch + 1 :]]


@pytest.mark.parametrize(
    ("kind", "epoch", "stop", "ahead"),
    [
        ("workers", 0, 1, 1), ("workers", 1, 3, 0), ("workers", 0, 7, 0),
        ("persistent", 1, 3, 1), ("persistent", 1, 7, 0),
        ("far ahead", 0, 1, 2), ("far ahead", 1, 5, 0),
        ("persistent, three", 0, 1, 0), ("persistent, three", 1, 5, 1), ("one", 0, 3, 0),
    ],
)  # fmt: skip
def test_a_pass_goes_on(kind: str, epoch: int, stop: int, ahead: int) -> None:
    check(KINDS[kind], epoch, stop, ahead)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_pass_goes_on_wherever_it_stood(kind: str, epoch: int) -> None:
    for stop in range(1, BATCHES + 1):
        check(KINDS[kind], epoch, stop, ahead=stop % 2)


def test_persistent_workers_go_on_between_passes() -> None:
    cfg = config(num_workers=2, persistent_workers=True)
    seed_all()
    loader = kept(cfg)
    list(loader)
    state = get_loader_state(loader, consumed=0)
    again = kept(cfg)
    set_loader_state(again, state)
    for one in (loader, again):
        one.sampler.set_epoch(1)
    assert list(again) == list(loader)


def test_a_pass_goes_on_a_second_time() -> None:
    cfg = config(num_workers=2)
    whole = list(build_dataloader(cfg, seed=SEED))
    state = broken(cfg, 0, 1)
    for more in (2, 2):
        loader = build_dataloader(cfg, seed=SEED)
        set_loader_state(loader, state)
        list(islice(iter(loader), more))
        state = get_loader_state(loader, consumed=more)
    last = build_dataloader(cfg, seed=SEED)
    set_loader_state(last, state)
    assert list(last) == whole[5:]


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": None, "collate_fn": None},
        {"batch_sampler": {"type": BatchSampler, "drop_last": True}},
        {"num_batch_per_epoch": 5},
        {"num_batch_per_epoch": 5, "persistent_workers": True},
        {"pin_memory": True},
    ],
)
def test_loaders_of_all_sorts_go_on(changes: dict[str, Any]) -> None:
    if changes.get("pin_memory") and not torch.cuda.is_available():
        pytest.skip("memory is pinned for a device")
    cfg = config(num_workers=2, **changes)
    loader = kept(cfg)
    whole = [list(map(list, loader)) for _ in range(2)]
    state = broken(cfg, 0, 3)
    again = kept(cfg)
    set_loader_state(again, state)
    assert [list(map(list, again)) for _ in range(2)] == [whole[0][3:], whole[1]]


class Rarely(Drawing):
    """Draws for one sample of the pass, from one generator."""

    def draw(self) -> list[float]:
        return []

    def __getitem__(self, index: int) -> tuple[int, list[float]]:
        return index, [random.random()] if index == 4 else []


def test_what_is_drawn_seldom_is_not_missed() -> None:
    cfg = config(num_workers=2, persistent_workers=True, dataset=Rarely())
    loader = kept(cfg)
    whole = [list(loader) for _ in range(3)]
    for stop in (2, 6):
        again = kept(cfg)
        set_loader_state(again, broken(cfg, 0, stop))
        assert [list(again) for _ in range(3)] == [whole[0][stop:], *whole[1:]]


class Halves(Drawing):
    """Draws half a pair of normal numbers, so that the generator moves for every other sample."""

    def __getitem__(self, index: int) -> tuple[int, list[float]]:
        return index, [float(np.random.normal())]  # noqa: NPY002  # as user code does


@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_half_a_pair_of_normal_numbers_is_kept(stop: int) -> None:
    cfg = config(num_workers=1, dataset=Halves(), batch_size=1)
    whole = list(build_dataloader(cfg, seed=SEED))
    again = kept(cfg)
    set_loader_state(again, broken(cfg, 0, stop))
    assert list(again) == whole[stop:]


def test_draws_of_a_collate_function_go_on() -> None:
    cfg = config(num_workers=2, collate_fn=mixing)
    whole = list(build_dataloader(cfg, seed=SEED))
    again = kept(cfg)
    set_loader_state(again, broken(cfg, 0, 3))
    assert list(again) == whole[3:]


def mixing(samples: list[Any]) -> list[Any]:
    random.shuffle(samples)
    return [*samples, random.random()]


@pytest.mark.parametrize(("was", "now"), [(2, 3), (2, 0), (0, 2)])
def test_another_number_of_workers_is_told(
    caplog: pytest.LogCaptureFixture, was: int, now: int
) -> None:
    again = build_dataloader(config(num_workers=now), seed=SEED)
    set_loader_state(again, broken(config(num_workers=was), 0, 2))
    assert f"there were {was} workers, and are {now}" in caplog.text
    fresh = build_dataloader(config(num_workers=now), seed=SEED)
    assert indices(again) == indices(fresh)[4:]


def indices(batches: Any) -> list[int]:
    return [index for batch in batches for index, _ in batch]


class Silent(Drawing):
    def __getitem__(self, index: int) -> tuple[int, list[float]]:
        return index, []


def test_of_another_number_of_workers_nothing_is_told_where_nothing_was_drawn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    states = [
        broken(config(num_workers=2, dataset=Silent()), 0, 2),  # nothing has moved
        broken(config(num_workers=2), 0, 0),  # the pass has not begun
    ]
    for state in states:
        set_loader_state(build_dataloader(config(num_workers=3), seed=SEED), state)
    assert not caplog.text
    assert all(not one for one in states[0]["workers"]["states"])
    assert "workers" not in states[1]


def test_a_damaged_state_is_refused() -> None:
    cfg = config(num_workers=2)
    state = broken(cfg, 0, 2)
    state["workers"]["states"][1]["numpy"] = torch.zeros(3, dtype=torch.uint8)
    with pytest.raises(ValueError, match="a worker's state 'numpy' has 3 bytes, not 2512"):
        set_loader_state(build_dataloader(cfg, seed=SEED), state)


def test_the_states_are_those_behind_what_was_consumed() -> None:
    states = WorkerStates(2, persistent=False)
    states.begin(Start(turn=1))
    for number in range(4):
        states.note((1 + number) % 2, (bytes([number]), None, None))
    for consumed, expected in {2: [[1], [0]], 3: [[1], [2]], 4: [[3], [2]]}.items():
        found = states.at(consumed, seekable=True, under_way=True)
        assert found is not None
        assert [one["python"].tolist() for one in found["states"]] == expected
        assert found["turn"] == (1 + consumed) % 2


# ------------------------------------------------------------------ who is called


class Noted(Dataset[Any]):
    """Gives what the worker noted as it began."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        info = get_worker_info()
        assert info is not None
        assert info.dataset is not None
        return os.environ["NOTED"], type(info.dataset).__name__


@FUNCTIONS.register_module()
def note_run(worker_id: int, num_workers: int, rank: int, seed: int, extra: str) -> None:
    os.environ["NOTED"] = f"{worker_id} {num_workers} {rank} {seed} {extra}"


@FUNCTIONS.register_module()
def note_own(worker_id: int, extra: str) -> None:
    os.environ["NOTED"] = f"{worker_id} {extra}"


def note_any(worker_id: int, **given: Any) -> None:
    os.environ["NOTED"] = f"{worker_id} {given}"


@pytest.mark.parametrize(
    ("given", "noted"),
    [
        ({"type": "note_run", "extra": "x"}, "{} 2 0 9 x"),
        ({"type": "note_own", "extra": "x"}, "{} x"),
        ({"type": note_any, "extra": 1}, "{} {{'extra': 1}}"),
        (note_any, "{} {{}}"),
    ],
)
def test_a_worker_init_fn_of_the_users(given: Any, noted: str) -> None:
    loader = build_dataloader(
        {"dataset": Noted(), "num_workers": 2, "shuffle": False, "worker_init_fn": given}, seed=9
    )
    found = sorted(chain.from_iterable(zip(*batch, strict=True) for batch in loader))
    assert [one for one, _ in found] == sorted(noted.format(n) for n in (0, 0, 1, 1))
    assert {dataset for _, dataset in found} == {"Noted"}  # the user's, as the worker sees it


def seed_by_torch(worker_id: int) -> None:
    """Seed numpy as torch's documentation shows it."""
    np.random.seed(torch.initial_seed() % 2**32)  # noqa: NPY002  # as user code does


def test_numbers_of_a_users_seed_go_on() -> None:
    cfg = config(num_workers=2, worker_init_fn=seed_by_torch)
    for seed in (SEED, None):
        seed_all()
        loader = build_dataloader(cfg, seed=seed)
        loader.sampler.seed = 1
        whole = list(loader)
        seed_all()
        list(islice(iter(loader), 3))
        again = build_dataloader(cfg, seed=seed)
        set_loader_state(again, get_loader_state(loader, consumed=3))
        seed_all()  # torch's seed of the pass
        assert list(again) == whole[3:]
