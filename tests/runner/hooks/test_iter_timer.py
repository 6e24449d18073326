"""How long an iteration takes, by a clock that says what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike, iter_timer
from tests.runner.toys import run_cfg


class Clock:
    """Stands still until somebody lets time go by."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Passes(Hook):
    """Lets 1 s go by for the data of an iteration, and 3 s for the rest of it."""

    priority = "HIGHEST"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.etas: list[float] = []

    def _before_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, mode: str = "train"
    ) -> None:
        self.clock.now += 1

    def _after_iter(
        self,
        runner: RunnerLike,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        # the first iteration is slow
        self.clock.now += 11 if mode == "train" and runner.iter == 0 else 3

    def before_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
    ) -> None:
        self._before_iter(runner, batch_idx)
        self.etas.append(runner.message_hub.get_info("eta", -1.0))

    def before_val_epoch(self, runner: RunnerLike) -> None:
        # what a validation takes is none of the training's iterations
        self.clock.now += 1000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(iter_timer, "perf_counter", clock)
    return clock


def test_seconds_of_iterations_and_of_their_data(tmp_path: Path, clock: Clock) -> None:
    passes = Passes(clock)
    runner = Runner(**run_cfg(tmp_path, train_cfg={"max_epochs": 2}, custom_hooks=[passes]))
    runner.train()
    hub = runner.message_hub
    assert hub.get_scalar("train/time").data[0].tolist() == [12.0, 4, 4, 4, 4, 4]
    assert hub.get_scalar("train/data_time").data[0].tolist() == [1.0] * 6
    assert hub.get_scalar("val/time").data[0].tolist() == [4.0] * 6
    assert hub.get_scalar("val/data_time").data[0].tolist() == [1.0] * 6
    # the mean of what was spent, for each iteration that is left; a validation has none left
    assert passes.etas == [-1.0, 12 * 5, 8 * 4, 0, 6 * 2, pytest.approx(28 / 5)]
    assert hub.get_info("eta") == 0


def test_a_resumed_run_goes_at_its_own_pace(tmp_path: Path, clock: Clock) -> None:
    Runner(**run_cfg(tmp_path, train_cfg={"max_epochs": 2})).train()
    passes = Passes(clock)
    resumed = run_cfg(tmp_path, custom_hooks=[passes], resume=True)
    Runner(**resumed).train()
    # the time left is none of the checkpoint's facts; a validation that is made up comes first
    assert passes.etas == [0, 4 * 5, 4 * 4, 0, 4 * 2, 4 * 1]
