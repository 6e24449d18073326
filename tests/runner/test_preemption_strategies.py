"""A run on two processes that is told to stop ends as an unbroken one, however its model lives there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from scripts.kills.checks import works_differ

from engine_dist.checkpoint.asynchronous import AsyncSaver, Write
from engine_dist.testing import ProcessPool
from engine_runner.process.preempted import Preempted
from engine_runner.process.preemption import PREEMPTION
from tests.runner.exactness import KEPT, Case, run
from tests.runner.preempted import Signals
from tests.runner.test_exactness import SEVERAL


@dataclass(frozen=True)
class Row:
    """When which rank of what is told.

    Attributes
    ----------
    strategy : str
        Of ``SEVERAL``.
    case : Case
    point : str
        See `Signals`.
    count : int
        The how many-th time.
    written : str
        A checkpoint whose writing, in the background, begins only once the ranks know of it.
    """

    strategy: str
    case: Case
    point: str
    count: int
    written: str = ""


BY_ITER = Case(by_epoch=False, schedule="by iteration", every=3)
# An epoch has three iterations here.  The last two checkpoints are kept: those of the end are the same.
ROWS: dict[str, Row] = {
    "in a validation": Row(
        "shards", Case(by_epoch=False, precision="bfloat16", every=3), "val", 3,
    ),
    "half a step": Row(
        "shards", Case(accumulate=4, precision="float16", every=4), "train", 6,
    ),
    "half a step of replicas": Row(
        "replicas", Case(by_epoch=False, accumulate=4, every=4), "val", 2,
    ),
    "a checkpoint in flight": Row("shards", BY_ITER, "train", 8, "iter_6.pth"),
}  # fmt: skip
MORE: dict[str, Row] = {
    "compiled": Row("shards", Case(compiled=True, every=3), "train", 5),
    "half a step, compiled": Row(
        "shards", Case(by_epoch=False, accumulate=4, compiled=True, every=4), "train", 10,
    ),
    "half a step of states": Row(
        "optimizer states shared out", Case(accumulate=4, precision="float16", every=4), "val", 4,
    ),
    "a checkpoint of replicas in flight": Row("replicas", BY_ITER, "train", 8, "iter_6.pth"),
    "replicas, compiled": Row("replicas", Case(compiled=True, every=3), "val", 3),
    "behind a validation": Row("shards", BY_ITER, "validated", 2),
    "at an epoch's end": Row("shards", Case(precision="bfloat16", every=3), "epoch", 2),
}  # fmt: skip


def _job(row: Row, folder: str, told: bool, resume: bool) -> str:
    changes: dict[str, Any] = {
        "launcher": "pytorch", **SEVERAL[row.strategy], "resume": resume,
        "env_cfg": {"preemption": {"deadline": 200}},
    }  # fmt: skip
    if row.written:
        hooks = row.case.config(Path(folder))["default_hooks"]
        changes["default_hooks"] = {
            **hooks, "checkpoint": {**hooks["checkpoint"], "asynchronous": True}
        }  # fmt: skip
    signals = [Signals(row.point, row.count, rank=1)] if told else []
    with mock.patch.object(AsyncSaver, "save", _held(row.written) if told else AsyncSaver.save):
        try:
            run(row.case, Path(folder), *signals, **changes)
        except Preempted as stop:
            half = KEPT[-1].iter % row.case.accumulate
            return f"{stop.name} {stop.code} {stop.saved}, {half} losses of a step"
    return "ended"


def _held(name: str) -> Any:
    """Return a way of saving in the background that begins with one file when the run is told to stop."""
    save = AsyncSaver.save

    def held(saver: AsyncSaver, state: Any, path: Any, write: Write | None = None) -> None:
        def wait(copied: Any, path: Any) -> None:
            while not PREEMPTION.wanted:
                time.sleep(0.002)
            (write or saver._write)(copied, path)

        save(saver, state, path, wait if Path(path).name == name else write)

    return held


def _hold(pool: ProcessPool, folder: Path, row: Row) -> None:
    whole, broken = str(folder / "whole"), str(folder / "broken")
    assert pool.run(_job, row, whole, False, False, timeout=300) == ["ended"] * 2
    told = pool.run(_job, row, broken, True, False, timeout=300)
    assert told == ["SIGTERM 75 True, 0 losses of a step"] * 2
    assert pool.run(_job, row, broken, False, True, timeout=300) == ["ended"] * 2
    assert list(works_differ(folder / "broken", folder / "whole")) == []


@pytest.mark.parametrize("name", ROWS)
def test_it_ends_as_the_unbroken_one(pool2: ProcessPool, tmp_path: Path, name: str) -> None:
    _hold(pool2, tmp_path, ROWS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_more_that_ends_as_the_unbroken_one(pool2: ProcessPool, tmp_path: Path, name: str) -> None:
    _hold(pool2, tmp_path, MORE[name])
