"""What is told of a run while it goes on: lines, and scalars.json."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine_config.fileio import get_text, join_path, list_dir_or_file
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
    beginning = f"Epoch(val) [1][3/3]    error: {measured['error']:.4f}  "
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
    # also at the end of each of two epochs, of three iterations
    for every, count in ((2, 4), (0, 2)):
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
    assert "Epoch(test) [2/3]    eta: 0:00:00  time:" in log
    assert f"Epoch(test) [3/3]    error: {metrics['error']:.4f}" in log


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
    assert [line["step"] for line in lines if "error" in line] == [4, 8, 12]


NAMES = ["<time>.log", "vis_data/<time>.json", "vis_data/config.py", "vis_data/scalars.json"]


@pytest.mark.parametrize(
    ("settings", "copied", "left"),
    [
        ({}, NAMES, NAMES),
        ({"keep_local": False}, NAMES, []),
        ({"out_suffix": ".log"}, NAMES[:1], NAMES),
        ({"out_suffix": ["s.json"], "keep_local": False}, NAMES[3:], NAMES[:3]),
    ],
)
@pytest.mark.parametrize("prefix", ["", "memory://logs"])
def test_the_logs_are_copied_in_the_end(
    tmp_path: Path, prefix: str, settings: dict[str, Any], copied: list[str], left: list[str]
) -> None:
    out = prefix + str(tmp_path / "out")
    runner = trained(tmp_path / "work", {"out_dir": out, **settings})

    def named(paths: Any) -> list[str]:
        return sorted(str(path).replace(runner.timestamp, "<time>") for path in paths)

    found = list(list_dir_or_file(join_path(out, "work"), list_dir=False, recursive=True))
    assert named(found) == copied
    local = Path(runner.log_dir)
    assert named(f.relative_to(local) for f in local.rglob("*") if f.is_file()) == left
    log = (
        get_text(join_path(out, "work", f"{runner.timestamp}.log"))
        if copied[0] in NAMES[:1]
        else ""
    )
    assert not log or "Epoch(val) [2][3/3]" in log


def test_copies_that_cannot_be_made_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("no folder")
    runner = trained(tmp_path / "work", {"out_dir": str(tmp_path / "out"), "keep_local": False})
    messages, scalars = told(runner)
    assert len(scalars) == 4
    assert sum("cannot be written" in message for message in messages) == 4


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"interval": "often"}, TypeError, "interval must be of type int, got 'often'"),
        ({"interval": True}, TypeError, "interval must be of type int, got True"),
        ({"ignore_last": 1}, TypeError, "ignore_last must be of type bool, got 1"),
        ({"out_dir": 1}, TypeError, "out_dir must be of type str or Path or NoneType, got 1"),
        ({"file_client_args": {}}, ValueError, "the older name of backend_args, takes out_dir"),
        (
            {"file_client_args": {}, "out_dir": "x", "backend_args": {}},
            ValueError,
            "goes not with backend_args",
        ),
    ],
)
def test_what_is_refused(settings: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        LoggerHook(**settings)


@pytest.mark.parametrize("named", [0, 4, 5, 6, 7])
def test_it_is_asked_only_when_a_line_is_due(
    tmp_path: Path, named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    method = LoggerHook.after_train_iter

    def note(self: LoggerHook, runner: Any, batch_idx: int, **rest: Any) -> None:
        asked.append(runner.iter + 1)
        method(self, runner, batch_idx, **rest)

    note.cadence = method.cadence  # type: ignore[attr-defined]  # a function takes any attribute
    monkeypatch.setattr(LoggerHook, "after_train_iter", note)
    cfg = run_cfg(tmp_path, train_cfg={"max_epochs": 2}, log_level="INFO")
    cfg["train_dataloader"]["batch_size"] = 1  # twelve iterations an epoch
    cfg["default_hooks"] = {
        "logger": {"type": "LoggerHook", "interval": 2, "interval_exp_name": named}
    }
    runner = Runner(**cfg)
    runner.train()
    messages, _ = told(runner)
    lines = [m for m in messages if m.startswith(("Epoch(train)", "Exp name"))]
    names = sum(i % 12 == 0 or bool(named and i % named == 0) for i in range(1, 25))
    assert sum(line.startswith("Exp name") for line in lines) == names
    assert len(lines) - names == 12
    assert len(asked) == (24 if named in (5, 7) else 12)
