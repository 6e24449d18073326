"""A job of which a rank is killed is brought back by torchrun, with the numbers of the unbroken run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import tests.runner.faults  # noqa: F401  # registers its hooks
from engine_config import Config
from engine_dist.testing import ProcessPool
from engine_runner import Runner
from tests.runner.cli.commands import here
from tests.runner.toys import SIZE, run_cfg

PASS = SIZE // 6  # iterations of two processes with batches of 3


def config(folder: Path, epochs: int, **changes: Any) -> Path:
    """Write a run on two processes that saves within epochs and at their ends."""
    cfg = run_cfg(folder / "run", **changes)
    cfg["train_dataloader"]["batch_size"] = 3
    cfg["train_cfg"] = {"by_epoch": True, "max_epochs": epochs}
    cfg["default_hooks"] = {
        "logger": {"type": "LoggerHook", "interval": 1},
        "checkpoint": {"type": "CheckpointHook", "interval": 3, "by_epoch": False},
    }
    cfg |= {
        "custom_imports": {"imports": ["tests.runner.toys", "tests.runner.faults"]},
        "env_cfg": {"dist_cfg": {"backend": "gloo", "timeout": 20}},
        "log_level": "WARNING",
    }
    file = folder / "config.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    return file


def torchrun(file: Path, *options: str, limit: float = 280) -> subprocess.CompletedProcess[str]:
    """Train on two processes that torchrun starts."""
    return subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
            *options, "-m", "engine_runner", "train", str(file), "--launcher", "pytorch",
        ],
        capture_output=True, text=True, check=False, cwd=file.parent, env=here(), timeout=limit,
    )  # fmt: skip


def outcome(folder: Path, epochs: int) -> tuple[dict[str, torch.Tensor], dict[int, float]]:
    """Return the last weights, and the loss after each iteration as it was logged last."""
    state = torch.load(folder / f"run/iter_{epochs * PASS}.pth", weights_only=True)
    losses: dict[int, float] = {}
    for log in sorted((folder / "run").glob("*/vis_data/scalars.json")):
        for line in map(json.loads, log.read_text().splitlines()):
            if "loss" in line:
                losses[line["step"]] = line["loss"]
    return state["state_dict"], losses


@pytest.mark.parametrize("another", [False, True])
def test_what_another_run_left_is_not_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another: bool
) -> None:
    cfg = run_cfg(tmp_path, train_cfg={"by_epoch": True, "max_epochs": 2})
    if another:
        Runner(**cfg).train()
    for name, value in {
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "3",
    }.items():
        monkeypatch.setenv(name, value)
    cfg["custom_hooks"] = [{"type": "FaultHook", "rank": 0, "at": 1, "how": "raise"}]
    with pytest.raises(ArithmeticError):
        Runner(**cfg).train()
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    cfg["custom_hooks"] = [{"type": "FaultHook", "rank": 0, "at": 4, "how": "raise"}]
    runner = Runner(**cfg)
    with pytest.raises(ArithmeticError):  # not gone on from the end of the other run
        runner.train()
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "2")
    cfg["custom_hooks"] = None
    runner = Runner(**cfg)
    runner.train()
    assert runner.iter == 6
    # of the first epoch, which the job had saved itself, nothing is seen again
    assert len(runner.model.seen) == 3  # type: ignore[arg-type]  # the toy's own list


def test_after_a_kill(pool2: ProcessPool, tmp_path: Path) -> None:
    kills(pool2, tmp_path, 1)


@pytest.mark.slow
def test_after_ten_kills(pool2: ProcessPool, tmp_path: Path) -> None:
    kills(pool2, tmp_path, 10, limit=1200)


@pytest.mark.slow
def test_workers_that_are_told_to_stop_are_started_again(
    pool2: ProcessPool, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for each in (whole, broken):
        each.mkdir()
    pool2.run(train, str(config(whole, 40)), timeout=280)
    file = config(broken, 40, custom_hooks=[{"type": "TermHook", "rank": 1, "at": 3}])
    done = torchrun(file, "--max-restarts=1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("exitcode: 75") == 1, done.stderr  # for torchrun a fault
    for one, other in zip(outcome(whole, 40), outcome(broken, 40), strict=True):
        assert one.keys() == other.keys()
        assert all(torch.as_tensor(one[key]).equal(torch.as_tensor(other[key])) for key in one)


def train(file: str) -> None:
    cfg = Config.fromfile(file)
    cfg.launcher = "pytorch"
    Runner.from_cfg(cfg).train()


def kills(pool: ProcessPool, folder: Path, number: int, limit: float = 280) -> None:
    epochs = 4 + 3 * number  # so that the last kill comes before the end
    whole, broken = folder / "whole", folder / "broken"
    for each in (whole, broken):
        each.mkdir()
    pool.run(train, str(config(whole, epochs)), timeout=280)
    hook = {"type": "KillHook", "kills": number, "iters": 6}
    file = config(broken, epochs, custom_hooks=[hook])
    done = torchrun(file, f"--max-restarts={number}", limit=limit)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("exitcode: -9") == number, done.stderr
    # the launcher's signal to end comes while the ranks that are left look for who is lost
    for report in broken.glob("run/*/fault.txt"):
        assert " is dead or stopped, last seen at call " in report.read_text()
    weights, losses = outcome(whole, epochs)
    again, later = outcome(broken, epochs)
    assert set(losses) == set(range(1, epochs * PASS + 1))
    assert later == losses
    assert weights.keys() == again.keys()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
