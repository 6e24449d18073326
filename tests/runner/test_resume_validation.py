"""A validation that a run was stopped in, or before, is made up; one that was done is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.test_resume import Stop
from tests.runner.toys import run_cfg


class StopIn(Hook):
    """Ends a run at a point of the validation of that number."""

    def __init__(self, number: int, point: str) -> None:
        self.left, self.point = number, point

    def before_val_epoch(self, runner: RunnerLike) -> None:
        self.left -= 1

    def after_val_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if self.left == 0 and self.point == "within":
            raise Stop

    def before_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
    ) -> None:
        if self.left == 0 and self.point == "after":
            raise Stop


def a_run(folder: Path, by_epoch: bool, *hooks: Hook, **changes: Any) -> Runner:
    interval = 1 if by_epoch else 3
    checkpoint = {"type": "CheckpointHook", "interval": interval, "by_epoch": by_epoch}
    cfg = run_cfg(
        folder,
        train_cfg={"max_epochs": 4} if by_epoch else {"max_iters": 12, "val_interval": 3},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.02}},
        default_hooks={
            "checkpoint": {**checkpoint, "save_best": "error", "rule": "less"},
            "logger": {"type": "LoggerHook", "interval": 1},
        },
        custom_hooks=list(hooks),
    )
    cfg.update(changes)
    return Runner(**cfg)


def scores(folder: Path) -> list[tuple[int, float]]:
    lines = [
        json.loads(line)
        for file in sorted(folder.glob("*/vis_data/scalars.json"))
        for line in file.read_text().splitlines()
    ]
    return [(line["step"], line["error"]) for line in lines if "error" in line]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.pth"))


@pytest.mark.parametrize("by_epoch", [True, False])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_validation_that_was_cut_is_made_up(tmp_path: Path, number: int, by_epoch: bool) -> None:
    unbroken = a_run(tmp_path / "whole", by_epoch)
    unbroken.train()
    folder = tmp_path / "broken"
    with pytest.raises(Stop):
        a_run(folder, by_epoch, StopIn(number, "within")).train()
    resumed = a_run(folder, by_epoch, resume=True)
    resumed.train()
    assert scores(folder) == scores(tmp_path / "whole")
    assert files(folder) == files(tmp_path / "whole")
    hub = resumed.message_hub
    assert hub.get_info("best_score") == unbroken.message_hub.get_info("best_score")
    assert Path(hub.get_info("best_ckpt")).is_file()


@pytest.mark.parametrize("by_epoch", [True, False])
def test_a_validation_that_was_done_is_done_once(tmp_path: Path, by_epoch: bool) -> None:
    with pytest.raises(Stop):
        a_run(tmp_path, by_epoch, StopIn(2, "after")).train()
    # the best checkpoint was saved as that validation had its result
    (best,) = tmp_path.glob("best_*.pth")
    assert [step for step, _ in scores(tmp_path)] == ([1, 2] if by_epoch else [3, 6])
    resumed = a_run(tmp_path, by_epoch, resume=True, load_from=str(best))
    resumed.train()
    assert [step for step, _ in scores(tmp_path)] == ([1, 2, 3, 4] if by_epoch else [3, 6, 9, 12])


def test_a_run_that_is_done_validates_no_more(tmp_path: Path) -> None:
    a_run(tmp_path, True).train()
    before = scores(tmp_path)
    resumed = a_run(tmp_path, True, resume=True)
    resumed.train()
    # its last checkpoint was saved before the last validation, which is made up and comes out alike:
    # its row takes the place of the first one
    assert scores(tmp_path) == before
    (resumed.train_loop.load_state_dict({"epoch": 4, "iter": 12}))  # such as MMEngine's
    assert resumed.train_loop.state_dict()["validated"] == 4


class Hub(Hook):
    """Keeps what the message hub says in each validation, by the iterations done."""

    FACTS = ("iter", "epoch", "max_iters", "max_epochs", "loop_stage")

    def __init__(self) -> None:
        self.seen: dict[int, list[Any]] = {}

    def before_val_iter(self, runner: RunnerLike, batch_idx: int, data_batch: Any = None) -> None:
        self.seen[runner.iter] = [runner.message_hub.get_info(name) for name in self.FACTS]


@pytest.mark.parametrize("by_epoch", [True, False])
@pytest.mark.parametrize("number", [1, 3])
def test_what_is_made_up_sees_the_hub_of_the_unbroken_run(
    tmp_path: Path, number: int, by_epoch: bool
) -> None:
    whole, broken = Hub(), Hub()
    a_run(tmp_path / "whole", by_epoch, whole).train()
    with pytest.raises(Stop):
        a_run(tmp_path / "broken", by_epoch, StopIn(number, "within")).train()
    a_run(tmp_path / "broken", by_epoch, broken, resume=True).train()
    assert min(broken.seen) == 3 * number  # the one that was cut is made up
    assert broken.seen == {
        done: facts for done, facts in whole.seen.items() if done in broken.seen
    }
