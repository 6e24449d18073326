"""A run too short for some of its schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine_optim import ScheduleError
from engine_runner import Runner
from tests.runner.toys import run_cfg

WARM_UP = {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 2}
LATER = {"type": "CosineAnnealingLR", "begin": 1, "T_max": 3, "by_epoch": True}


def runner(folder: Path, later: dict[str, Any], epochs: int, **changes: Any) -> Runner:
    made = Runner.from_cfg(
        run_cfg(
            folder,
            param_scheduler=[WARM_UP, later],
            train_cfg={"max_epochs": epochs, "val_interval": 9},
            log_level="WARNING",
            **changes,
        )
    )
    made.train()
    return made


@pytest.mark.parametrize(
    "later",
    [
        LATER,
        {**LATER, "convert_to_iter_based": True},
        {"type": "PolyLR", "begin": 3, "by_epoch": False},
        {"type": "LinearLR", "begin": 5, "start_factor": 0.5},
    ],
)
def test_a_schedule_after_the_end_is_left_out(
    tmp_path: Path, later: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner(tmp_path, later, 1).iter == 3
    said = capsys.readouterr().out
    assert f"{later['type']} is left out: it begins after " in said
    assert f"{later['begin']}, and this run ends after" in said


def test_the_end_that_a_user_wrote_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ScheduleError, match="begin=3, end=2"):
        runner(tmp_path, {**LATER, "begin": 3, "end": 2}, 1)


@pytest.mark.parametrize("later", [LATER, {**LATER, "convert_to_iter_based": True}])
def test_a_longer_run_takes_the_schedule_up(tmp_path: Path, later: dict[str, Any]) -> None:
    runner(tmp_path / "run", later, 1)
    resumed = runner(tmp_path / "run", later, 3, resume=True)
    whole = runner(tmp_path / "whole", later, 3)
    rates = [r.message_hub.get_scalar("train/lr").data[0].tolist()[-6:] for r in (resumed, whole)]
    assert rates[0] == pytest.approx(rates[1])


@pytest.mark.parametrize("length", ["max_epochs", "max_iters"])
def test_no_training_at_all(
    tmp_path: Path, length: str, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = {"type": "CosineAnnealingLR", "by_epoch": length == "max_epochs"}
    cfg = run_cfg(tmp_path, param_scheduler=schedule, train_cfg={length: 0}, log_level="WARNING")
    run = Runner.from_cfg(cfg)
    run.train()
    assert run.iter == 0
    assert "CosineAnnealingLR is left out: it begins after" in capsys.readouterr().out
