"""Hooks and metrics that have a state are saved with a run, and go on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist import get_rank
from engine_dist.checkpoint import CorruptCheckpointError, UnsavableStateError
from engine_dist.testing import ProcessPool
from engine_registry import HOOKS, METRICS
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.hooks.test_stopped import log_of
from tests.runner.toys import ToyError, run_cfg


@HOOKS.register_module()
class Tally(Hook):
    """Counts iterations, by a number of its own."""

    def __init__(self, by: int = 1) -> None:
        self.by = by
        self.count = 0

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.count += self.by * (10 ** get_rank())

    def state_dict(self) -> dict[str, int]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.count = state["count"]


@HOOKS.register_module()
class TallyPerRank(Tally):
    """Counts on each process for itself."""

    per_rank = True


@METRICS.register_module()
class CountingError(ToyError):
    """Counts the passes that it measured."""

    passes = 0

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        self.passes += 1
        return {"passes": self.passes}

    def state_dict(self) -> dict[str, int]:
        return {"passes": self.passes}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.passes = state["passes"]


def trained(folder: Path, epochs: int, *hooks: Any, **changes: Any) -> Runner:
    settings = {"custom_hooks": list(hooks), "log_level": "WARNING", **changes}
    runner = Runner(**run_cfg(folder, train_cfg={"max_epochs": epochs}, **settings))
    runner.train()
    return runner


def change(folder: Path, **entries: Any) -> None:
    state = torch.load(folder / "epoch_1.pth", weights_only=True)
    torch.save(
        state | {key.replace("__", "."): value for key, value in entries.items()},
        folder / "epoch_1.pth",
    )


def test_two_hooks_of_one_class(tmp_path: Path) -> None:
    trained(tmp_path, 1, Tally(), Tally(100))
    held = torch.load(tmp_path / "epoch_1.pth", weights_only=True)
    assert (held["hooks.Tally"], held["hooks.Tally.2"]) == ({"count": 3}, {"count": 300})
    ones, hundreds = Tally(), Tally(100)
    trained(tmp_path, 3, ones, hundreds, resume=True)
    assert (ones.count, hundreds.count) == (9, 900)


def test_a_metric(tmp_path: Path) -> None:
    evaluator = {"val_evaluator": {"type": "CountingError"}}
    trained(tmp_path, 2, **evaluator)
    # the checkpoint was saved before its epoch's validation, which is made up
    runner = trained(tmp_path, 3, **evaluator, resume=True)
    assert runner.message_hub.get_scalar("val/passes").current() == 3
    held = torch.load(tmp_path / "epoch_3.pth", weights_only=True)
    assert held["metrics.CountingError"] == {"passes": 2}


def test_what_is_missing_is_told_with_what_else_is(tmp_path: Path) -> None:
    hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1, "save_optimizer": False}}
    trained(tmp_path, 1, Tally(), default_hooks=hooks)
    ones, others = Tally(), Tally()
    evaluator = {"val_evaluator": {"type": "CountingError"}}
    runner = trained(tmp_path, 2, ones, others, resume=True, **evaluator)
    (line,) = [line for line in log_of(runner).splitlines() if "checkpoint holds no" in line]
    assert "the checkpoint holds no state of the optimizer (save_optimizer=False)" in line
    assert "; no hooks.Tally.2: it begins anew; no metrics.CountingError: it begins anew" in line
    assert (ones.count, others.count) == (6, 3)


def test_what_nothing_takes_up_is_told(tmp_path: Path) -> None:
    trained(tmp_path, 1, Tally(), Tally(), val_evaluator={"type": "CountingError"})
    runner = trained(tmp_path, 2, Tally(), resume=True)
    assert (
        "the checkpoint holds the state of what this run has not: hooks.Tally.2, metrics.CountingError; it "
        "is left out"
    ) in log_of(runner)


def test_a_state_of_another_kind_is_damage_and_changes_nothing(tmp_path: Path) -> None:
    trained(tmp_path, 1, Tally())
    change(tmp_path, hooks__Tally=[1])
    tally = Tally()
    with pytest.raises(
        CorruptCheckpointError, match=r"hooks\.Tally must be a dict, got \[1\] .*nothing of it was"
    ):
        trained(tmp_path, 2, tally, resume=True)
    assert tally.count == 0


@pytest.mark.parametrize("state", [{}, {"counts": 3}])
def test_what_a_hook_cannot_take_over_is_damage(tmp_path: Path, state: Any) -> None:
    trained(tmp_path, 1, Tally())
    change(tmp_path, hooks__Tally=state)
    with pytest.raises(
        CorruptCheckpointError, match=r"is damaged \(hooks\.Tally: KeyError: 'count'"
    ):
        trained(tmp_path, 2, Tally(), resume=True)


def test_a_state_that_cannot_be_saved_is_named(tmp_path: Path) -> None:
    tally: Any = Tally()
    tally.state_dict = lambda: {"count": print}
    with pytest.raises(UnsavableStateError, match=r"hooks\.Tally.*count"):
        trained(tmp_path, 1, tally)


def tallies(folder: str, epochs: int, resume: bool) -> tuple[int, int]:
    one, own = Tally(), TallyPerRank()
    trained(Path(folder), epochs, one, own, resume=resume, launcher="pytorch")
    return one.count, own.count


def test_a_state_of_each_process(pool2: ProcessPool, tmp_path: Path) -> None:
    # 2 iterations an epoch; rank 1 counts each as 10
    assert pool2.run(tallies, str(tmp_path), 1, False, timeout=300) == [(2, 2), (20, 20)]
    # a state is rank 0's for all, unless its owner says otherwise
    assert pool2.run(tallies, str(tmp_path), 2, True, timeout=300) == [(4, 4), (22, 40)]
    own = TallyPerRank()
    runner = trained(tmp_path, 3, Tally(), own, resume=True)
    assert "hooks.TallyPerRank of 2 processes, and this run has 1: it begins anew" in log_of(
        runner
    )
    assert own.count == 3
