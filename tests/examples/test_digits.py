"""The digits example as a user runs it: from the command line, in processes of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_config import Config

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "examples/digits/config.py"
ENGINE = [sys.executable, "-m", "engine_runner"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def engine(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(*ENGINE, *arguments)


def scalars(work_dir: Path) -> list[dict[str, Any]]:
    (newest,) = sorted(work_dir.glob("*/vis_data/scalars.json"))[-1:]
    return [json.loads(line) for line in newest.read_text().splitlines()]


def accuracies(work_dir: Path) -> list[float]:
    return [line["accuracy/top1"] for line in scalars(work_dir) if "accuracy/top1" in line]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work_dir = tmp_path_factory.mktemp("digits")
    done = engine("train", CONFIG, "--work-dir", str(work_dir))
    assert done.returncode == 0, done.stderr
    return work_dir


def test_it_learns_the_digits(trained: Path) -> None:
    assert accuracies(trained)[-1] >= 0.97


def test_what_it_leaves(trained: Path) -> None:
    cfg = Config.fromfile(trained / "config.py")
    assert cfg.optim_wrapper.optimizer.lr == 0.005
    (log,) = trained.glob("*/*.log")
    text = log.read_text()
    assert "Epoch(val) [10]" in text
    assert "\x1b" not in text
    names = {path.name for path in trained.glob("*.pth")}
    assert "epoch_10.pth" in names
    assert any(name.startswith("best_accuracy_top1_epoch_") for name in names)


def test_testing_gives_what_training_logged_last(trained: Path, tmp_path: Path) -> None:
    checkpoint = str(trained / "epoch_10.pth")
    done = engine("test", CONFIG, checkpoint, "--work-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = re.search(r"^accuracy/top1: (\S+)$", done.stdout, re.MULTILINE)
    assert found is not None
    assert float(found.group(1)) == accuracies(trained)[-1]


def test_overrides_and_resume(tmp_path: Path) -> None:
    options = ("--cfg-options", "optim_wrapper.optimizer.lr=0.02")
    first = engine(
        "train", CONFIG, "--work-dir", str(tmp_path), *options, "train_cfg.max_epochs=2"
    )
    assert first.returncode == 0, first.stderr
    again = engine(
        "train", CONFIG, "--work-dir", str(tmp_path), "--resume", *options,
        "train_cfg.max_epochs=3",
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "epoch_2.pth: epoch 2, iteration 46" in again.stdout
    assert [line["epoch"] for line in scalars(tmp_path) if "loss" in line] == [3, 3]
    state = torch.load(tmp_path / "epoch_3.pth", weights_only=True)
    assert state["meta"]["iter"] == 69
    assert Config.fromfile(tmp_path / "config.py").optim_wrapper.optimizer.lr == 0.02


def test_two_processes(tmp_path: Path) -> None:
    done = run(
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "engine_runner", "train", CONFIG, "--work-dir", str(tmp_path),
        "--launcher", "pytorch",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert accuracies(tmp_path)[-1] >= 0.97
    # 1,437 samples in batches of 64 are 12 for each of two ranks
    assert torch.load(tmp_path / "epoch_10.pth", weights_only=True)["meta"]["iter"] == 120


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    command = [*ENGINE, "train", CONFIG, "--work-dir", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--cfg-options", "train_cfg.max_epochs=2"],
        cwd=ROOT, stdout=child, stderr=child, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(parent)
    assert process.wait() == 0
    assert b"training" in shown
    assert "━".encode() in shown
    assert b"Epoch(train)" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "nowhere.py"], "there is no config file"),
        (["train", CONFIG, "--cfg-options", "model.type=DigitNett"], "nearest names: 'DigitNet'"),
        (["train", CONFIG, "--cfg-options", "model.widht=3"], "did you mean 'width'?"),
        (["train", CONFIG, "--cfg-options", "train_cfg.max_epoch=3"], "'max_epochs'"),
        (["test", CONFIG, "LICENSE"], "LICENSE is no checkpoint"),
        (["test", CONFIG, "nowhere.pth"], "there is no checkpoint nowhere.pth"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    work_dir = ["--work-dir", str(tmp_path)]
    at = arguments.index("--cfg-options") if "--cfg-options" in arguments else len(arguments)
    done = engine(*arguments[:at], *work_dir, *arguments[at:])
    assert done.returncode == 2
    assert "engine: error:" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text("model = dict(\n    type='A',,\n)\n")
    done = engine("train", str(config))
    assert done.returncode == 2
    assert f"{config}:2" in done.stderr
    assert "Traceback" not in done.stderr
