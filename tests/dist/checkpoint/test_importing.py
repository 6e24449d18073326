"""Converting what is not safe to load: nothing of it runs, and if it did, it could do nothing."""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine_dist.checkpoint import MissingCheckpointError, SandboxError, UnsafeCheckpointError
from engine_dist.checkpoint import load_checkpoint_file as load
from engine_dist.checkpoint.importing import import_checkpoint, main
from engine_dist.checkpoint.inert import read_inert

needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the sandbox is made of Linux's seccomp"
)


class Runs:
    """Pickles as a call."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.made = (call, arguments)

    def __reduce__(self) -> Any:
        return self.made


class Slotted:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 3


class Listed(list[int]):
    """A list of an unknown kind."""


@needs_linux
def test_an_unsafe_file_is_converted(tmp_path: Path) -> None:
    source, target, mark = tmp_path / "old.pth", tmp_path / "new.pth", tmp_path / "mark"
    state = {
        "state_dict": {"weight": torch.ones(3)},
        "args": argparse.Namespace(lr=0.1),
        "hostile": Runs(os.system, f"touch {mark}"),
    }
    torch.save(state, source)
    with pytest.raises(UnsafeCheckpointError):
        load(source)
    names = import_checkpoint(source, target, timeout=60)
    assert names == ("argparse.Namespace", "posix.system")
    loaded = torch.load(target, weights_only=True)
    assert torch.equal(loaded["state_dict"]["weight"], torch.ones(3))
    assert loaded["args"] == {"lr": 0.1}
    assert not mark.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.pth", "new.pth.sum", "old.pth"]


def inert(tmp_path: Path, state: Any, zipped: bool = True) -> Any:
    path = tmp_path / "a.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    with open(path, "rb") as file:
        return read_inert(file)


@pytest.mark.parametrize("zipped", [False, True])
def test_objects_become_what_they_hold(tmp_path: Path, zipped: bool) -> None:
    state = {"slots": Slotted(), "list": Listed([1, 2]), "kind": Slotted, "array": np.arange(2)}
    loaded, names = inert(tmp_path, state, zipped)
    assert loaded["slots"] == {"value": 3}
    assert loaded["list"] == [1, 2]
    assert loaded["array"].tolist() == [0, 1]
    assert names == [f"{__name__}.Listed", f"{__name__}.Slotted"]


def test_a_pickled_model_becomes_its_state(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3), nn.Identity()))
    loaded, _ = inert(tmp_path, {"model": model})
    expected = model.state_dict()
    assert list(loaded["model"]) == list(expected)
    assert all(torch.equal(loaded["model"][name], expected[name]) for name in expected)


def test_a_plain_pickle(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"model": {"array": np.ones(3), "tensor": torch.ones(2)}}))
    with open(path, "rb") as file:
        loaded, names = read_inert(file)
    assert names == []
    assert loaded["model"]["array"].tolist() == [1.0] * 3
    assert torch.equal(loaded["model"]["tensor"], torch.ones(2))


ATTACK = """
import os, signal, socket, subprocess, sys, threading, ctypes
from engine_dist.checkpoint.sandbox import lock_down
kept = open(sys.argv[1], "wb", buffering=0)
folder = os.path.dirname(sys.argv[1])
def clone():
    pid = ctypes.CDLL(None, use_errno=True).syscall(57)  # fork, past every library
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError
attacks = {
    "socket": lambda: socket.socket(),
    "unix": lambda: socket.socketpair(),
    "read": lambda: open("/etc/hostname"),
    "write": lambda: open(folder + "/other", "w"),
    "list": lambda: os.listdir("/"),
    "remove": lambda: os.unlink(sys.argv[1]),
    "rename": lambda: os.rename(sys.argv[1], folder + "/other"),
    "look": lambda: os.stat("/etc/hostname"),
    "mode": lambda: os.chmod(sys.argv[1], 0o777),
    "program": lambda: subprocess.run(["true"]),
    "shell": lambda: os.system("true") == 0 or (_ for _ in ()).throw(OSError()),
    "fork": lambda: os.fork() or os._exit(0),
    "clone": clone,
    "signal": lambda: os.kill(os.getppid(), 0),
    "thread": lambda: threading.Thread(target=int).start(),
    "grow": lambda: kept.truncate(2**20),
    "swell": lambda: bytearray(2**27),
    "unlock": lambda: lock_down(2**30, 2**40),
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
lock_down(2**16, 2**26)
done = []
for name, attack in attacks.items():
    try:
        attack()
    except (OSError, RuntimeError, ValueError, MemoryError):
        continue
    except Exception as error:
        if type(error).__name__ == "SandboxError":
            continue
        raise
    done.append(name)
kept.write(b"what is open may be written")
sys.stdout.write(f"{len(attacks)} {done}")
sys.stdout.flush()
os._exit(0)
"""


@needs_linux
def test_a_process_that_is_locked_down_can_do_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = subprocess.run(
        [sys.executable, "-c", ATTACK, str(kept)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "18 []", done.stderr
    assert kept.read_bytes() == b"what is open may be written"
    assert list(tmp_path.iterdir()) == [kept]


@needs_linux
def test_what_cannot_be_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MissingCheckpointError):
        import_checkpoint(tmp_path / "absent.pth", tmp_path / "new.pth")
    source = tmp_path / "text.pth"
    source.write_text("just some words\n")
    with pytest.raises(SandboxError, match="failed in the sandbox"):
        import_checkpoint(source, tmp_path / "new.pth")
    with pytest.raises(SandboxError, match="took longer"):
        import_checkpoint(source, tmp_path / "new.pth", timeout=0.01)
    assert [p.name for p in tmp_path.iterdir()] == ["text.pth"]
    assert main([str(tmp_path / "absent.pth"), str(tmp_path / "new.pth")]) == 1
    assert "there is no checkpoint" in capsys.readouterr().err


@needs_linux
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"a": slice(1, 2)}, tmp_path / "old.pth")
    assert main([str(tmp_path / "old.pth"), str(tmp_path / "new.pth")]) == 0
    assert "kept as plain data, not run: builtins.slice" in capsys.readouterr().out
    assert load(tmp_path / "new.pth")["a"] == [1, 2, None]
