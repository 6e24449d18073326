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
from engine_runner.cli import main

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "examples/digits/config.py"
ENGINE = [sys.executable, "-m", "engine_runner"]


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


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
    assert [line["epoch"] for line in scalars(tmp_path) if "loss" in line] == [1, 1, 2, 2, 3, 3]
    state = torch.load(tmp_path / "epoch_3.pth", weights_only=True)
    assert state["meta"]["iter"] == 69
    assert Config.fromfile(tmp_path / "config.py").optim_wrapper.optimizer.lr == 0.02


def test_two_processes_share_the_samples(tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text(
        f"_base_ = {str(ROOT / CONFIG)!r}\n"
        "custom_imports = dict(imports=['examples.digits.components', 'tests.examples.seen'])\n"
        "train_dataloader = dict(dataset=dict(type='SeenDigits'))\n"
    )
    work_dir = tmp_path / "work"
    done = run(
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "engine_runner", "train", str(config), "--work-dir", str(work_dir),
        "--launcher", "pytorch", SEEN_DIGITS=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert accuracies(work_dir)[-1] >= 0.97
    read = [(tmp_path / f"rank{rank}").read_text().split() for rank in (0, 1)]
    # the main process has looked at the first sample and a first batch before
    assert [len(numbers) for numbers in read] == [1 + 64 + 7200, 7200]
    del read[0][:65]
    for start in range(0, 7200, 720):
        epoch = [number for numbers in read for number in numbers[start : start + 720]]
        assert len(set(epoch)) == 1440
    # 1,440 samples in batches of 64 are 12 for each of two ranks
    assert torch.load(work_dir / "epoch_10.pth", weights_only=True)["meta"]["iter"] == 120


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
        (["train", CONFIG, "--cfg-options", "train_dataloader.batch_size=0"], "batch_size=0"),
        (["train", CONFIG, "--cfg-options", "train_cfg.max_epochs=-1"], "schedule.py:1"),
        (
            ["train", CONFIG, "--cfg-options", "randomness.sed=3"],
            "randomness takes no 'sed', did you mean 'seed'?",
        ),
        (["train", CONFIG, "--cfg-options", "~train_dataloader"], "train_dataloader is not: give"),
        (["train", CONFIG, "--launcher", "pytorch"], "the environment lacks RANK, WORLD_SIZE"),
        (["train", CONFIG, "--resume", "LICENSE"], "LICENSE is no checkpoint"),
        (["test", "examples/lm/config.py", "LICENSE"], "the config has no test_dataloader"),
        (["test", CONFIG, "LICENSE"], "LICENSE is no checkpoint"),
        (["test", CONFIG, "nowhere.pth"], "there is no checkpoint nowhere.pth"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    verb, *others = arguments
    assert main([verb, "--work-dir", str(tmp_path), *others]) == 2
    error = capsys.readouterr().err
    assert error.startswith("engine: error:") or "did you mean" in error
    assert said in error
    assert "Traceback" not in error


def test_a_mistake_ends_the_command_with_2() -> None:
    done = engine("train", CONFIG, "--cfg-options", "model.widht=3")
    assert done.returncode == 2
    assert "did you mean 'width'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text("model = dict(\n    type='A',,\n)\n")
    done = engine("train", str(config))
    assert done.returncode == 2
    assert f"{config}:2" in done.stderr
    assert "Traceback" not in done.stderr
