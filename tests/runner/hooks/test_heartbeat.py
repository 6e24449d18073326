"""A run that hangs says where."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from engine_dist.testing import ProcessPool
from engine_runner import Runner
from engine_runner.hooks import HeartbeatHook, Hook, RunnerLike
from engine_runner.hooks.hang_watch import Beat, HangWatch
from tests.runner.toys import run_cfg
from tests.workspace.tree import ROOT


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_silence_is_told_of_once() -> None:
    clock, told = Clock(), []
    watch = HangWatch(10.0, lambda beat, seconds: told.append((beat, seconds)), clock)
    clock.now = 100.0
    watch.look()  # nothing has begun
    watch.beat("train", 3)
    clock.now = 109.0
    watch.look()
    assert told == []
    clock.now = 111.0
    watch.look()
    watch.look()
    assert told == [(Beat("train", 3, 100.0), 11.0)]
    watch.beat("val", 0)
    clock.now = 121.0
    watch.look()
    assert [beat.phase for beat, _ in told] == ["train", "val"]


def test_where_it_is_stopped_nothing_is_told() -> None:
    told: list[Beat] = []
    watch = HangWatch(0.01, lambda beat, _: told.append(beat))
    watch.start()
    watch.stop()
    watch.beat("train", 0)
    assert [t for t in threading.enumerate() if t.name == "heartbeat"] == []
    assert told == []


class Hangs(Hook):
    """Waits at a point until all ranks have said that they hang."""

    def __init__(self, point: str, ranks: int = 1, rank: int = 0) -> None:
        self.point = point
        self.ranks = ranks
        self.rank = rank

    def _wait(self, runner: RunnerLike) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            files = list(Path(runner.work_dir).rglob("hang_rank*.txt"))
            if len(files) == self.ranks and all('File "' in f.read_text() for f in files):
                return
            time.sleep(0.02)
        raise AssertionError("nobody said that it hangs")

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if self.point == "train" and runner.iter == 2 and runner.rank == self.rank:
            self._wait(runner)

    def before_val_iter(self, runner: RunnerLike, batch_idx: int, data_batch: Any = None) -> None:
        if self.point == "val" and batch_idx == 1:
            self._wait(runner)

    def before_save_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
        if self.point == "saving":
            self._wait(runner)


def train(folder: str, point: str) -> None:
    hooks = [HeartbeatHook(timeout=0.3), Hangs(point)]
    Runner(**run_cfg(Path(folder), custom_hooks=hooks)).train()


def test_a_process_that_hangs_says_where(tmp_path: Path) -> None:
    code = "import sys; from tests.runner.hooks.test_heartbeat import train; train(*sys.argv[1:])"
    command = [sys.executable, "-c", code, str(tmp_path), "train"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    (file,) = tmp_path.rglob("hang_rank0.txt")
    text = file.read_text()
    where = "in phase 'train', iteration 3"
    assert text.splitlines()[0].endswith(where)
    assert "in _wait" in text
    told = done.stderr + done.stdout
    assert f"{where}; the stacks of its threads are in {file}" in told


@pytest.mark.parametrize(
    ("point", "where"),
    [("val", "in phase 'val', iteration 2"), ("saving", "in phase 'saving', iteration 3")],
)
def test_the_phases(tmp_path: Path, point: str, where: str) -> None:
    train(str(tmp_path), point)
    (file,) = tmp_path.rglob("hang_rank0.txt")
    assert where in file.read_text()


def test_after_a_run_it_is_off(tmp_path: Path) -> None:
    class Raises(Hook):
        def after_train_iter(self, runner: RunnerLike, **_: Any) -> None:  # type: ignore[override]  # names do not matter here
            assert [t.name for t in threading.enumerate()].count("heartbeat") == 1
            raise KeyboardInterrupt

    hooks = [HeartbeatHook(timeout=60), Raises()]
    with pytest.raises(KeyboardInterrupt):
        Runner(**run_cfg(tmp_path, custom_hooks=hooks)).train()
    assert "heartbeat" not in [t.name for t in threading.enumerate()]


def train_together(folder: str) -> None:
    hooks = [HeartbeatHook(timeout=0.3), Hangs("train", ranks=2, rank=1)]
    Runner(**run_cfg(Path(folder), custom_hooks=hooks, launcher="pytorch")).train()


def test_those_that_wait_for_a_rank_that_hangs_say_where(
    pool2: ProcessPool, tmp_path: Path
) -> None:
    pool2.run(train_together, str(tmp_path), timeout=300)
    texts = {file.name: file.read_text() for file in tmp_path.rglob("hang_rank*.txt")}
    assert sorted(texts) == ["hang_rank0.txt", "hang_rank1.txt"]
    assert "in _wait" in texts["hang_rank1.txt"]
    # for its gradients
    assert "in backward" in texts["hang_rank0.txt"]
