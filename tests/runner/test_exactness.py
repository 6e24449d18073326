"""A run that was stopped anywhere and resumed leaves, bit for bit, what an unbroken one leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripts.kills.checks import works_differ

from engine_dist.testing import ProcessPool
from tests.runner.exactness import Case, SaveSwapped, StopAt, run

# Pairs, not the whole product: each setting meets each kind of stop and of neighbour somewhere.
CASES: dict[str, tuple[Case, tuple[str, int]]] = {
    "epochs": (Case(), ("after_train_iter", 8)),
    "iterations": (Case(by_epoch=False, schedule="by iteration"), ("before_train_iter", 12)),
    "epochs, in a validation": (Case(schedule="plateau", every=3), ("after_val_iter", 4)),
    "iterations, in a validation": (
        Case(by_epoch=False, schedule="plateau", every=5), ("after_val_iter", 5),
    ),
    "epochs, behind a validation": (Case(precision="bfloat16"), ("after_val_epoch", 2)),
    "before the first checkpoint": (Case(every=4), ("before_train_iter", 3)),
    "in a checkpoint": (Case(by_epoch=False, precision="float16"), ("before_save_checkpoint", 9)),
    "in the best checkpoint": (Case(every=6), ("before_save_checkpoint", 2)),
    "at an epoch's end": (Case(precision="float16", accumulate=4), ("after_train_epoch", 2)),
    "four losses a step": (
        Case(by_epoch=False, accumulate=4, schedule="by iteration"), ("after_train_iter", 6),
    ),
    "compiled": (Case(compiled=True, accumulate=4, every=3), ("after_train_iter", 8)),
    "workers": (
        Case(workers=4, loader={"prefetch_factor": 3}, every=2), ("before_train_iter", 10),
    ),
    "persistent workers": (
        Case(by_epoch=False, workers=4, loader={"persistent_workers": True}, precision="bfloat16",
             schedule="plateau", every=4),
        ("after_train_iter", 15),
    ),
    "a stateful loader": (Case(data="stateful", every=2), ("after_train_iter", 9)),
    "a stateful loader, iterations": (
        Case(data="stateful", by_epoch=False, every=4), ("before_train_iter", 11),
    ),
    "a stream with a state": (
        Case(data="stream", by_epoch=False, accumulate=4, every=2), ("after_train_iter", 9),
    ),
    "stopped early": (Case(stops_early=True), ("after_train_iter", 14)),
    "stopped early, iterations": (
        Case(by_epoch=False, stops_early=True, schedule="plateau"), ("after_val_epoch", 2),
    ),
    "after the stop": (Case(stops_early=True, every=6), ("after_val_epoch", 3)),
}  # fmt: skip


# a machine with fewer cores is warned of its four workers
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
# of torchdata, which is behind its torch
@pytest.mark.filterwarnings("ignore:.set_vital. is deprecated")
@pytest.mark.parametrize("name", CASES)
def test_resumed_is_unbroken(tmp_path: Path, name: str) -> None:
    case, (point, number) = CASES[name]
    assert run(case, tmp_path / "whole")
    assert not run(case, tmp_path / "broken", StopAt(point, number))
    assert run(case, tmp_path / "broken", resume=True)
    assert list(works_differ(tmp_path / "broken", tmp_path / "whole")) == []


@pytest.mark.parametrize("by_epoch", [True, False])
def test_saved_while_the_averaged_weights_are_in(tmp_path: Path, by_epoch: bool) -> None:
    case = Case(by_epoch=by_epoch)
    assert run(case, tmp_path / "whole")
    assert not run(case, tmp_path / "broken", SaveSwapped())
    within = str(tmp_path / "broken" / "within.pth")
    assert run(case, tmp_path / "broken", resume=True, load_from=within)
    assert list(works_differ(tmp_path / "broken", tmp_path / "whole")) == []


@pytest.mark.parametrize("by_epoch", [True, False])
def test_stopped_twice(tmp_path: Path, by_epoch: bool) -> None:
    case = Case(by_epoch=by_epoch, schedule="by iteration", every=2)
    assert run(case, tmp_path / "whole")
    assert not run(case, tmp_path / "broken", StopAt("after_train_iter", 5))
    assert not run(case, tmp_path / "broken", StopAt("before_train_iter", 1), resume=True)
    assert not run(case, tmp_path / "broken", StopAt("after_train_iter", 6), resume=True)
    assert run(case, tmp_path / "broken", resume=True)
    assert list(works_differ(tmp_path / "broken", tmp_path / "whole")) == []


@pytest.mark.slow
@pytest.mark.parametrize("by_epoch", [True, False])
@pytest.mark.parametrize("point", StopAt.POINTS)
def test_wherever_it_was_stopped(tmp_path: Path, point: str, by_epoch: bool) -> None:
    case = Case(by_epoch=by_epoch, schedule="plateau", accumulate=4, every=3)
    assert run(case, tmp_path / "whole")
    for number in range(1, 100):
        folder = tmp_path / str(number)
        if run(case, folder, StopAt(point, number)):
            break  # there were not so many
        assert run(case, folder, resume=True)
        assert list(works_differ(folder, tmp_path / "whole")) == [], number
    assert number > 1


# By which settings of a run its model lives on two processes.
SEVERAL: dict[str, dict[str, Any]] = {
    "replicas": {},
    "optimizer states shared out": {"strategy": {"type": "ZeRO1Strategy"}},
    "shards": {"strategy": {"type": "FSDPStrategy", "wrap": {"classes": ["Linear"]}}},
}


def _on_each(
    case: Case, folder: str, stop: tuple[str, int] | None, changes: dict[str, Any]
) -> bool:
    hooks = [] if stop is None else [StopAt(*stop)]
    return run(case, Path(folder), *hooks, **changes)


ON_TWO: dict[str, tuple[str, Case, tuple[str, int]]] = {
    "replicas, epochs": ("replicas", Case(every=2), ("after_train_iter", 5)),
    "replicas, iterations": (
        "replicas", Case(by_epoch=False, accumulate=4, precision="bfloat16"), ("after_val_iter", 3),
    ),
    "states, epochs": (
        "optimizer states shared out", Case(precision="float16", every=2), ("after_train_iter", 5),
    ),
    "shards, epochs": (
        "shards", Case(every=2, schedule="plateau"), ("after_train_iter", 5),
    ),
    "shards, iterations": (
        "shards", Case(by_epoch=False, accumulate=4, schedule="by iteration"), ("after_val_iter", 3),
    ),
}  # fmt: skip
# the settings that have not met each strategy above
MORE_ON_TWO: dict[str, tuple[str, Case, tuple[str, int]]] = {
    "replicas, compiled": (
        "replicas", Case(compiled=True, accumulate=4, every=3), ("before_train_iter", 9),
    ),
    "replicas, scaled": (
        "replicas", Case(by_epoch=False, precision="float16", workers=4), ("before_save_checkpoint", 5),
    ),
    "states, compiled": (
        "optimizer states shared out",
        Case(by_epoch=False, compiled=True, accumulate=4, every=3, schedule="plateau"),
        ("after_val_iter", 3),
    ),
    "states, workers": (
        "optimizer states shared out",
        Case(precision="bfloat16", workers=4, loader={"persistent_workers": True}, every=2),
        ("after_train_epoch", 2),
    ),
    "shards, compiled": (
        "shards", Case(compiled=True, accumulate=4, every=3), ("after_train_iter", 8),
    ),
    "shards, bfloat16": (
        "shards", Case(by_epoch=False, precision="bfloat16", every=4), ("before_train_iter", 10),
    ),
    "shards, scaled": (
        "shards", Case(precision="float16", workers=4, accumulate=4), ("before_save_checkpoint", 5),
    ),
    "shards, persistent workers": (
        "shards",
        Case(by_epoch=False, workers=4, loader={"persistent_workers": True}, schedule="plateau", every=4),
        ("after_val_epoch", 2),
    ),
}  # fmt: skip


def _resumed_on_two(
    pool: ProcessPool, folder: Path, row: tuple[str, Case, tuple[str, int]]
) -> None:
    strategy, case, stop = row
    changes = {"launcher": "pytorch", **SEVERAL[strategy]}
    whole, broken = str(folder / "whole"), str(folder / "broken")
    assert pool.run(_on_each, case, whole, None, changes, timeout=300) == [True, True]
    assert pool.run(_on_each, case, broken, stop, changes, timeout=300) == [False, False]
    changes = {**changes, "resume": True}
    assert pool.run(_on_each, case, broken, None, changes, timeout=300) == [True, True]
    assert list(works_differ(folder / "broken", folder / "whole")) == []


@pytest.mark.parametrize("name", ON_TWO)
def test_on_two_processes(pool2: ProcessPool, tmp_path: Path, name: str) -> None:
    _resumed_on_two(pool2, tmp_path, ON_TWO[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_ON_TWO)
def test_more_on_two_processes(pool2: ProcessPool, tmp_path: Path, name: str) -> None:
    _resumed_on_two(pool2, tmp_path, MORE_ON_TWO[name])


def test_the_comparison_sees_another_run(tmp_path: Path) -> None:
    assert run(Case(), tmp_path / "one")
    assert run(replace(Case(), accumulate=2), tmp_path / "other")
    assert any("epoch" in place or "iter" in place for place in works_differ(
        tmp_path / "one", tmp_path / "other"
    ))  # fmt: skip
