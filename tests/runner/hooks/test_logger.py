"""What is told of a run while it goes on: lines, and scalars.json."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine_runner import Runner
from engine_runner.hooks import LoggerHook
from tests.runner.toys import ToyError, ToyModel, loader, run_cfg


def told(runner: Runner) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the messages in the log and the scalars that a run left."""
    folder = Path(runner.log_dir)
    log = (folder / f"{runner.timestamp}.log").read_text().splitlines()
    scalars = (folder / "vis_data" / "scalars.json").read_text().splitlines()
    messages = [re.sub(r"^\S+ \S+ - engine - INFO - ", "", line) for line in log]
    return messages, [json.loads(line) for line in scalars]


def trained(folder: Path, logger: dict[str, Any] | None, **changes: Any) -> Runner:
    cfg = run_cfg(folder, log_level="INFO", train_cfg={"max_epochs": 2}, **changes)
    cfg["default_hooks"] = {"logger": None if logger is None else {"type": "LoggerHook", **logger}}
    runner = Runner(**cfg)
    runner.train()
    return runner


@pytest.mark.parametrize(
    ("settings", "iterations"),
    [
        (
            {"interval": 1},
            ["[1][1/3]", "[1][2/3]", "[1][3/3]", "[2][1/3]", "[2][2/3]", "[2][3/3]"],
        ),
        ({"interval": 2}, ["[1][2/3]", "[2][2/3]"]),
        ({"interval": 2, "ignore_last": False}, ["[1][2/3]", "[1][3/3]", "[2][2/3]", "[2][3/3]"]),
        ({}, ["[1][3/3]", "[2][3/3]"]),  # an epoch has no whole interval
    ],
)
def test_which_iterations(tmp_path: Path, settings: dict[str, Any], iterations: list[str]) -> None:
    messages, scalars = told(trained(tmp_path, settings))
    found = [m.split()[0] + m.split()[1] for m in messages if m.startswith("Epoch(train)")]
    assert found == [f"Epoch(train){name}" for name in iterations]
    assert len([s for s in scalars if "loss" in s]) == len(iterations)


def test_a_line_and_its_scalars_say_the_same(tmp_path: Path) -> None:
    messages, scalars = told(trained(tmp_path, {"interval": 3}))
    line = next(m for m in messages if m.startswith("Epoch(train)"))
    assert re.fullmatch(
        r"Epoch\(train\) \[1\]\[3/3\]  lr: 1\.0000e-01  eta: 0:00:\d\d  time: \d\.\d{4}  "
        r"data_time: \d\.\d{4}  loss: \d\.\d{4}  bias: -?\d\.\d{4}",
        line,
    )
    first = scalars[0]
    assert (first["step"], first["epoch"], first["iter"], first["lr"]) == (3, 1, 3, 0.1)
    for name in ("loss", "bias", "time", "data_time"):
        assert f"{name}: {first[name]:.4f}" in line
    measured = next(s for s in scalars if "error" in s)
    beginning = f"Epoch(val) [1][3/3]  error: {measured['error']:.4f}  "
    assert any(message.startswith(beginning) for message in messages)


def test_scalars_also_stand_in_a_file_that_bears_the_time(tmp_path: Path) -> None:
    runner = trained(tmp_path, {"interval": 1})
    vis_data = Path(runner.log_dir) / "vis_data"
    again = (vis_data / f"{runner.timestamp}.json").read_text()
    assert again == (vis_data / "scalars.json").read_text()
    assert (vis_data / "config.py").is_file()


@pytest.mark.parametrize(
    ("train_cfg", "settings", "log_processor", "steps"),
    [
        ({"max_epochs": 2}, {}, None, [1, 2]),
        ({"max_epochs": 2}, {"log_metric_by_epoch": False}, None, [3, 6]),
        ({"max_iters": 6, "val_interval": 2}, {}, {"by_epoch": False}, [2, 4, 6]),
    ],
)
def test_the_step_of_a_measurement(
    tmp_path: Path,
    train_cfg: dict[str, Any],
    settings: dict[str, Any],
    log_processor: dict[str, Any] | None,
    steps: list[int],
) -> None:
    cfg = run_cfg(tmp_path, train_cfg=train_cfg, log_processor=log_processor)
    cfg["default_hooks"] = {"logger": {"type": "LoggerHook", **settings}}
    runner = Runner(**cfg)
    runner.train()
    _, scalars = told(runner)
    assert [s["step"] for s in scalars if "error" in s] == steps


def test_the_name_of_the_experiment(tmp_path: Path) -> None:
    for every, count in ((2, 3), (0, 0)):
        runner = trained(
            tmp_path / str(every), {"interval_exp_name": every}, experiment_name=f"named-{every}"
        )
        messages, _ = told(runner)
        assert messages.count(f"Exp name: named-{every}") == count


def test_what_a_test_measured(tmp_path: Path) -> None:
    runner = Runner(
        model=ToyModel(),
        work_dir=str(tmp_path),
        test_dataloader=loader(),
        test_evaluator=ToyError(),
        default_hooks={"logger": {"type": "LoggerHook", "interval": 2}},
    )
    metrics = runner.test()
    folder = Path(runner.log_dir)
    saved = json.loads((folder / f"{runner.timestamp}.json").read_text())
    assert saved["error"] == metrics["error"]
    log = (folder / f"{runner.timestamp}.log").read_text()
    assert "Epoch(test) [2/3]  time:" in log
    assert f"Epoch(test) [3/3]  error: {metrics['error']:.4f}" in log


def test_without_the_hook_nothing_is_told(tmp_path: Path) -> None:
    runner = trained(tmp_path, None)
    assert not (Path(runner.log_dir) / "vis_data").exists()
    assert "Epoch" not in (Path(runner.log_dir) / f"{runner.timestamp}.log").read_text()


def test_an_interval_below_one() -> None:
    with pytest.raises(ValueError, match="interval must be at least 1, got 0"):
        LoggerHook(interval=0)


def training_lines(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    Runner(**run_cfg(folder, **changes)).train()
    (file,) = folder.glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_an_epoch_shorter_than_the_interval_has_its_line(tmp_path: Path) -> None:
    hooks = {"logger": {"type": "LoggerHook", "interval": 10}}
    lines = training_lines(tmp_path / "a", default_hooks=hooks)
    # as MMEngine does: three iterations an epoch, a line at the end of each
    assert [line["step"] for line in lines if "loss" in line] == [3, 6, 9, 12]
    hooks = {"logger": {"type": "LoggerHook", "interval": 2}}
    lines = training_lines(tmp_path / "b", default_hooks=hooks)
    assert [line["step"] for line in lines if "loss" in line] == [2, 5, 8, 11]
    few = {"max_iters": 2, "val_interval": 2}
    lines = training_lines(tmp_path / "c", default_hooks={}, train_cfg=few)
    assert [line["step"] for line in lines if "loss" in line] == [2]


def test_the_log_counts_as_the_training_does(tmp_path: Path) -> None:
    train_cfg = {"max_iters": 12, "val_interval": 4}
    lines = training_lines(tmp_path / "a", train_cfg=train_cfg, log_level="INFO")
    assert [line["step"] for line in lines if "error" in line] == [4, 8, 12]
    (log,) = (tmp_path / "a").glob("*/*.log")
    assert "Iter(train) [ 4/12]" in log.read_text()
    told = {"log_processor": {"by_epoch": True}}
    lines = training_lines(tmp_path / "b", train_cfg=train_cfg, **told)
    assert [line["step"] for line in lines if "error" in line] == [0, 0, 0]
