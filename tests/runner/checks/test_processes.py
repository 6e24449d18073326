"""Of several processes the main one checks, and the others get what it found."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_config import Config
from engine_dist.testing import ProcessPool
from engine_runner.cli.checking import check_before_start
from tests.runner.cli.commands import CONFIG, ENGINE, here
from tests.runner.toys import run_cfg


def checked(folder: str, changes: dict[str, Any]) -> tuple[str, str]:
    cfg = Config({**run_cfg(Path(folder) / "run"), "launcher": "pytorch", **changes})
    try:
        return "handed over", repr(sorted(check_before_start(cfg)))
    except Exception as error:
        return type(error).__name__, str(error)


def test_the_others_get_the_refusal(tmp_path: Path, pool2: ProcessPool) -> None:
    changes = {"randomnes": {"seed": 1}, "model": {"type": "ToyModel", "width": -1}}
    main, other = pool2.run(checked, str(tmp_path), changes, timeout=120)
    assert main[0] == "ConfigCheckError"
    assert "randomnes" in main[1]
    assert "model: RuntimeError" in main[1]
    assert other == (
        "UserMistake", "the main process refuses the configuration, for 2 faults, which it tells"
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_each_makes_its_own_data(tmp_path: Path, pool2: ProcessPool) -> None:
    assert pool2.run(checked, str(tmp_path), {}, timeout=120) == [("handed over", "[]")] * 2


@pytest.mark.parametrize(("given", "status"), [("model.width=-1", 2), ("log_level=ERROR", 0)])
def test_two_that_join_by_themselves(tmp_path: Path, given: str, status: int) -> None:
    (tmp_path / "config.py").write_text(CONFIG)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [*ENGINE, "train", "config.py", "--launcher", "pytorch", "--cfg-options", given]
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            command, cwd=tmp_path, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            env={**here(), **place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=250)[1] for process in processes]
    assert [process.returncode for process in processes] == [status, status], said
    if status:
        assert "model: RuntimeError: " in said[0]
        assert "the main process refuses the configuration, for a fault, which" in said[1]
        assert os.listdir(tmp_path) == ["config.py"]
    else:
        state = torch.load(tmp_path / "runs" / "epoch_2.pth", weights_only=True)
        assert state["meta"]["epoch"] == 2
