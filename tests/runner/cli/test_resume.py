"""``engine train --resume`` with something changed, or with a checkpoint that does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine_runner.cli import main
from tests.runner.toys import run_cfg


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a whole run's configuration, train it, and return the configuration's path."""
    cfg: dict[str, Any] = run_cfg(tmp_path / "run", log_level="WARNING")
    file = tmp_path / "toy.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    assert main(["train", str(file), "--cfg-options", "train_cfg.max_epochs=2"]) == 0
    return file


def resumed(config: Path, *options: str) -> int:
    code: int = main(["train", str(config), "--resume", "--cfg-options", *options])
    return code


def log(config: Path) -> str:
    return "".join(file.read_text() for file in (config.parent / "run").glob("*/*.log"))


def test_another_learning_rate(config: Path) -> None:
    options = ("train_cfg.max_epochs=2", "optim_wrapper.optimizer.lr=0.02")
    assert resumed(config, *options) == 0
    assert "lr is 0.1, as saved, not 0.02 (--cfg-options optim_wrapper.optimizer.lr=0.02)" in log(
        config
    )


def test_another_optimizer(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = "{'type': 'SGD', 'lr': 0.1, 'momentum': 0.9}"
    config.write_text(config.read_text().replace(written, "{'type': 'AdamW', 'lr': 0.1}"))
    assert resumed(config, "train_cfg.max_epochs=3") == 2
    said = capsys.readouterr().err.strip()
    assert "epoch_2.pth cannot be resumed from" in said
    assert "of another optimizer than AdamW, which needs betas, eps" in said
    assert len(said.splitlines()) == 1


def test_a_damaged_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = config.parent / "bad.pth"
    torch.save({"state_dict": {}, "meta": 5}, file)
    assert main(["train", str(config), "--resume", str(file)]) == 2
    said = capsys.readouterr().err.strip()
    assert "bad.pth is no checkpoint of a run, or damaged: meta must be a dict, got 5" in said
    assert f"--resume {file}: resume: " in said
    assert len(said.splitlines()) == 2


def test_a_goal_that_was_passed_long_ago(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resumed(config, "train_cfg.max_epochs=1", "log_level=INFO") == 0
    assert "--cfg-options log_level=INFO train_cfg.max_epochs=4" in capsys.readouterr().out
