"""A run that is told to stop saves what it has come to, and goes on as if nothing had been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_dist import get_rank
from engine_dist.testing import ProcessPool
from engine_runner import Runner
from engine_runner.hooks import Hook
from engine_runner.process.preempted import Preempted
from engine_runner.process.preemption import PREEMPTION
from tests.runner.preempted import Signals, a_run, gone_on_with, rows, seen
from tests.runner.test_resume import same
from tests.runner.toys import run_cfg

POINTS = [
    ("train", 1, 1), ("train", 3, 3), ("train", 7, 7), ("epoch", 2, 6), ("val", 2, 3), ("val", 8, 9),
    ("validated", 2, 6), ("validated", 4, 12),
]  # fmt: skip
BY_ITERATION = [
    ("train", 1, 1), ("train", 4, 4), ("train", 12, 12), ("val", 2, 4), ("val", 9, 12),
    ("validated", 1, 4), ("validated", 3, 12),
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, tuple[Runner, Path]]:
    found = {}
    for by_epoch in (True, False):
        folder = tmp_path_factory.mktemp("whole")
        unbroken = a_run(folder, by_epoch=by_epoch)
        unbroken.train()
        found[by_epoch] = unbroken, folder
    return found


@pytest.mark.parametrize(
    ("by_epoch", "point", "count", "done"),
    [*((True, *point) for point in POINTS), *((False, *point) for point in BY_ITERATION)],
)
def test_it_goes_on_as_if_nothing_had_been(
    tmp_path: Path,
    whole: dict[bool, tuple[Runner, Path]],
    by_epoch: bool,
    point: str,
    count: int,
    done: int,
) -> None:
    unbroken, folder = whole[by_epoch]
    broken, resumed = gone_on_with(tmp_path, Signals(point, count), by_epoch=by_epoch)
    assert broken.iter == done
    assert same(resumed.model, unbroken.model)
    assert seen(broken, resumed) == seen(unbroken)
    assert rows(tmp_path) == rows(folder)
    ours, theirs = (run.optim_wrapper.state_dict()["state"] for run in (resumed, unbroken))
    assert all(
        torch.equal(ours[k]["momentum_buffer"], theirs[k]["momentum_buffer"]) for k in theirs
    )
    best = [run.message_hub.get_info("best_score") for run in (resumed, unbroken)]
    assert best[0] == best[1]


def test_a_window_in_its_middle_is_finished_by_who_goes_on(tmp_path: Path) -> None:
    wrapper = {
        "accumulative_counts": 3,
        "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9},
    }
    unbroken = a_run(tmp_path / "whole", by_epoch=False, optim_wrapper=wrapper)
    unbroken.train()
    for stop in (4, 5):
        folder = tmp_path / str(stop)
        hook = Signals("train", stop)
        _, resumed = gone_on_with(folder, hook, by_epoch=False, optim_wrapper=wrapper)
        assert same(resumed.model, unbroken.model)


def test_averaged_weights_that_validate_are_not_trained_on(tmp_path: Path) -> None:
    def averaged(folder: Path, *hooks: Hook, resume: bool = False) -> Runner:
        ema = {"type": "EMAHook", "momentum": 0.3}
        return a_run(folder, resume=resume, custom_hooks=[*hooks, ema])

    unbroken = averaged(tmp_path / "whole")
    unbroken.train()
    with pytest.raises(Preempted):
        averaged(tmp_path / "broken", Signals("val", 5)).train()
    resumed = averaged(tmp_path / "broken", resume=True)
    resumed.train()
    assert same(resumed.model, unbroken.model)
    assert rows(tmp_path / "broken") == rows(tmp_path / "whole")


@pytest.mark.parametrize("checkpoint", [None, {"type": "CheckpointHook", "save_optimizer": False}])
def test_it_is_saved_whole_without_a_hook_that_does_so(
    tmp_path: Path, checkpoint: dict[str, Any] | None
) -> None:
    hooks = {"checkpoint": checkpoint}
    unbroken = a_run(tmp_path / "whole", default_hooks=hooks)
    unbroken.train()
    _, resumed = gone_on_with(tmp_path / "broken", Signals("train", 5), default_hooks=hooks)
    assert same(resumed.model, unbroken.model)


@pytest.mark.parametrize("by_epoch", [True, False])
def test_in_the_end_those_are_kept_that_an_unbroken_run_keeps(
    tmp_path: Path, by_epoch: bool
) -> None:
    hook = {"type": "CheckpointHook", "interval": 1 if by_epoch else 3, "by_epoch": by_epoch}
    hooks = {"checkpoint": {**hook, "max_keep_ckpts": 2}}
    a_run(tmp_path / "whole", by_epoch=by_epoch, default_hooks=hooks).train()
    folder = tmp_path / "broken"
    gone_on_with(folder, Signals("train", 10), by_epoch=by_epoch, default_hooks=hooks)
    kept = [{path.name for path in run.glob("*.pth")} for run in (folder, tmp_path / "whole")]
    assert kept[0] == kept[1]


def test_twice(tmp_path: Path) -> None:
    unbroken = a_run(tmp_path / "whole")
    unbroken.train()
    for stop in (4, 2):
        with pytest.raises(Preempted):
            a_run(tmp_path / "broken", Signals("train", stop), resume=True).train()
    resumed = a_run(tmp_path / "broken", resume=True)
    resumed.train()
    assert same(resumed.model, unbroken.model)
    assert rows(tmp_path / "broken") == rows(tmp_path / "whole")


def test_before_there_is_anything_to_save(tmp_path: Path) -> None:
    run = a_run(tmp_path, Signals("start"))
    with pytest.raises(Preempted) as stop:
        run.train()
    assert (stop.value.code, stop.value.saved, run.iter) == (75, False, 0)
    assert not list(tmp_path.glob("*.pth"))
    a_run(tmp_path).train()  # whose folder is free


def test_when_all_is_done(tmp_path: Path) -> None:
    with pytest.raises(Preempted) as stop:
        a_run(tmp_path, Signals("end")).train()
    assert (stop.value.code, stop.value.saved) == (75, False)
    resumed = a_run(tmp_path, resume=True)
    resumed.train()
    assert resumed.iter == 12


def test_a_pass_that_saves_nothing(tmp_path: Path) -> None:
    test = {
        "test_dataloader": run_cfg(tmp_path)["val_dataloader"],
        "test_cfg": {},
        "test_evaluator": {"type": "ToyError"},
    }
    for mode in ("val", "test"):
        hook = Signals(mode, 2)
        run = a_run(tmp_path / mode, hook, **test)
        with pytest.raises(Preempted) as stop:
            getattr(run, mode)()
        assert (stop.value.code, stop.value.saved, hook.left) == (75, False, 0)
        assert not list(tmp_path.glob("*/*.pth"))


# --------------------------------------------------------------------- two ranks


def on_two(
    folder: str, rank: int, point: str, count: int, **changes: Any
) -> tuple[str, int, list[Tensor], list[list[int]]]:
    run = a_run(Path(folder), Signals(point, count, rank=rank), launcher="pytorch", **changes)
    told = "ended"
    try:
        run.train()
    except Preempted as stop:
        told = f"{stop.name} {stop.code} {stop.saved}"
    return told, run.iter, [p.detach().clone() for p in run.model.parameters()], seen_by(run)


def seen_by(run: Runner) -> list[list[int]]:
    model: Any = getattr(run.model, "module", run.model)
    return list(model.seen)


def job(folder: str, rank: int, point: str, count: int, changes: dict[str, Any]) -> Any:
    return on_two(folder, rank, point, count, **changes)


TWO: dict[str, Any] = {"by_epoch": False, "env_cfg": {"preemption": {"deadline": 40}}}


@pytest.fixture(scope="module")
def whole_on_two(pool2: ProcessPool, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return pool2.run(job, str(tmp_path_factory.mktemp("two")), 0, "", 0, TWO, timeout=60)


@pytest.mark.parametrize(
    ("point", "count", "rank"),
    [("start", 1, 1), ("train", 7, 1), ("train", 12, 0), ("val", 2, 1), ("validated", 2, 0)],
)
def test_one_rank_is_told_and_all_stop(
    pool2: ProcessPool, tmp_path: Path, whole_on_two: Any, point: str, count: int, rank: int
) -> None:
    folder = str(tmp_path)
    broken = pool2.run(job, folder, rank, point, count, TWO, timeout=60)
    done = broken[0][1]  # which depends on when the other rank hears of it
    assert done == broken[1][1]
    assert {"start": 0, "train": count, "val": 4, "validated": 8}[point] <= done <= 12
    assert [told for told, *_ in broken] == [f"SIGTERM 75 {done > 0}"] * 2
    resumed = pool2.run(job, folder, 0, "", 0, {**TWO, "resume": True}, timeout=60)
    assert [told for told, *_ in resumed] == ["ended"] * 2
    for one, two, all_of_it in zip(broken, resumed, whole_on_two, strict=True):
        assert one[3] + two[3] == all_of_it[3]
        assert all(torch.equal(a, b) for a, b in zip(two[2], all_of_it[2], strict=True))


def one_of_two(folder: str, rank: int) -> None:
    """Break off on one rank, where the other has begun no run."""
    if get_rank() == rank:
        PREEMPTION.begin_run()


def test_a_job_counts_from_its_own_beginning(pool2: ProcessPool, tmp_path: Path) -> None:
    """Processes that serve jobs one after the other may have come by unlike numbers of runs."""
    pool2.run(one_of_two, str(tmp_path), 0, timeout=60)
    for told, done, *_ in pool2.run(job, str(tmp_path), 1, "train", 5, TWO, timeout=60):
        assert told == "SIGTERM 75 True"
        assert done < 12
