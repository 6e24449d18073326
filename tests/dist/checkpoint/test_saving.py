"""Checkpoint bytes: written whole, read without running what they say."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_dist.checkpoint import (
    CheckpointError,
    CorruptCheckpointError,
    MissingCheckpointError,
    StateMismatchError,
    UnsafeCheckpointError,
    find_latest_checkpoint,
    load_checkpoint,
    load_checkpoint_file,
    load_state_dict,
    save_checkpoint,
    verify_checkpoint,
    weights_to_cpu,
)

STATE: dict[str, Any] = {"state_dict": {"weight": torch.ones(2, 3)}, "meta": {"iter": 3}}


class Runs:
    """Pickles as a call."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.made = (call, arguments)

    def __reduce__(self) -> Any:
        return self.made


def test_round_trip_and_plain_torch(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.pth"
    save_checkpoint(STATE, path)
    for state in (load_checkpoint_file(path), torch.load(path, weights_only=True)):
        assert state["meta"] == {"iter": 3}
        assert torch.equal(state["state_dict"]["weight"], torch.ones(2, 3))
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.pth", "a.pth.sum"]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    save_checkpoint(STATE, path)
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        save_checkpoint({"a": lambda: None}, path)
    assert load_checkpoint_file(path)["meta"] == {"iter": 3}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pth", "a.pth.sum"]


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_damaged_file_is_written_over(part: float, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    save_checkpoint(STATE, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    save_checkpoint(STATE, path)
    verify_checkpoint(path)
    assert load_checkpoint_file(path)["meta"] == {"iter": 3}


WRITER = """
import sys, torch
from engine_dist.checkpoint import save_checkpoint
number = 0
while True:
    number += 1
    save_checkpoint({"number": number, "weights": torch.full((300_000,), number)}, sys.argv[1])
    print(number, flush=True)
"""


def test_a_kill_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    time.sleep(0.003)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    state = load_checkpoint_file(path)
    assert torch.equal(state["weights"], torch.full((300_000,), state["number"]))


@pytest.mark.parametrize(
    "call",
    [
        Runs(os.system, "exit 7"),
        Runs(eval, "1"),
        Runs(exec, "pass"),
        Runs(getattr, "os", "system"),
        Runs(__import__, "os"),
        Runs(open, "/dev/null"),
        Runs(subprocess.call, ["true"]),
        Runs(compile, "1", "x", "eval"),
        Runs(map, print, [1]),
        Runs(pickle.loads, b"N."),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_hostile_files_are_refused(call: Any, nested: bool, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "hostile.pth"
    value = {"state_dict": OrderedDict(a=[call])} if nested else call
    if zipped:
        torch.save(value, path)
    else:
        path.write_bytes(pickle.dumps(value))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint_file(path)
    assert "pass trusted=True" in str(caught.value) or "no checkpoint" in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_an_unsafe_file_says_what_it_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": Runs(os.system, "exit 7")}, path)
    with pytest.raises(UnsafeCheckpointError, match=r"asks for posix\.system; nothing was run"):
        load_checkpoint_file(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(MissingCheckpointError, match="there is no checkpoint"):
        load_checkpoint_file(tmp_path / "absent.pth")
    text = tmp_path / "text.pth"
    text.write_text("just some words\n")
    with pytest.raises(CorruptCheckpointError, match="is no checkpoint"):
        load_checkpoint_file(text)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CorruptCheckpointError, match="holds a list"):
        load_checkpoint_file(tmp_path / "list.pth")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
def test_files_that_were_cut_off(part: float, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    save_checkpoint(STATE, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(CheckpointError):
        load_checkpoint_file(path)


def test_what_fits_and_what_does_not(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = {k: torch.full_like(v, 5.0) for k, v in model.state_dict().items()}
    del state["1.bias"]
    state["extra"] = torch.ones(1)
    load_state_dict(model, state)
    assert "1 missing, 1 unexpected" in caplog.text
    assert re.search(r"1\.bias +missing", caplog.text)
    assert re.search(r"extra +unexpected", caplog.text)
    assert torch.equal(model.state_dict()["0.weight"], torch.full((3, 2), 5.0))
    with pytest.raises(StateMismatchError, match=r"1\.bias +missing"):
        load_state_dict(model, state, strict=True)
    with pytest.raises(StateMismatchError, match="under half of the model is in the checkpoint"):
        load_state_dict(model, {"other": torch.ones(1)})
    state["0.weight"] = torch.ones(4, 4)
    with pytest.raises(StateMismatchError, match=r"0\.weight +mismatched +\(4, 4\) +\(3, 2\)"):
        load_state_dict(model, state, strict=True)


def test_load_checkpoint_strips_module(tmp_path: Path) -> None:
    model = nn.Linear(2, 3)
    state = {f"module.{k}": torch.zeros_like(v) for k, v in model.state_dict().items()}
    save_checkpoint({"state_dict": state}, tmp_path / "a.pth")
    load_checkpoint(model, str(tmp_path / "a.pth"), strict=True)
    assert not model.weight.any()
    assert weights_to_cpu({"a": model.weight})["a"].device.type == "cpu"


def test_the_latest(tmp_path: Path) -> None:
    assert find_latest_checkpoint(tmp_path) is None
    (tmp_path / "last_checkpoint").write_text("/somewhere/epoch_3.pth")
    assert find_latest_checkpoint(tmp_path) == "/somewhere/epoch_3.pth"
