"""What a save leaves behind: the file and its checksum; and after a kill nothing for long."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist.checkpoint import (
    CheckpointError,
    UnsavableStateError,
    clear_leftovers,
    load_checkpoint_file,
    save_checkpoint,
    verify_checkpoint,
)
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.sharded import save_sharded

# ---------------------------------------------------------------- what cannot be loaded again


def nested(depth: int) -> Any:
    state: Any = 1
    for _ in range(depth):
        state = [state]
    return {"deep": state}


def tagged(tag: object) -> dict[str, Tensor]:
    weight = torch.zeros(2)
    weight.tag = tag  # type: ignore[attr-defined]  # as user code does
    return {"layer": weight}


def circle() -> dict[str, Any]:
    state: dict[str, Any] = {"a": [1]}
    state["a"].append(state)
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (tagged(nn.ReLU), r"layer\.tag is a builtins\.type"),
        (tagged({"kind": [nn.ReLU()]}), r"layer\.tag\.kind\[0\] is a torch\.nn\.modules\.activ"),
        ({"n": [2**2100]}, r"n\[0\] is a whole number of 2101 bits, of which a checkpoint holds"),
        (circle(), r"a\[1\] holds itself; a checkpoint is a tree"),
        (nested(5000), "the state is nested more than 100 deep"),
    ],
)
def test_what_loading_would_refuse_is_not_written(
    tmp_path: Path, state: dict[str, Any], message: str
) -> None:
    for _ in range(2):  # also with a file there
        with pytest.raises(UnsavableStateError, match=message):
            save_checkpoint(state, tmp_path / "a.pth")
        save_checkpoint({"a": 1}, tmp_path / "a.pth")
    assert load_checkpoint_file(tmp_path / "a.pth") == {"a": 1}


def test_what_is_written_loads(tmp_path: Path) -> None:
    shared = [1, 2]
    state = {"n": -(2**2038), "deep": nested(95), "twice": [shared, shared], **tagged("a word")}
    save_checkpoint(state, tmp_path / "a.pth")
    loaded = load_checkpoint_file(tmp_path / "a.pth")
    assert (loaded["n"], loaded["deep"], loaded["layer"].tag) == (-(2**2038), nested(95), "a word")
    assert loaded["twice"][0] is loaded["twice"][1]
    assert torch.equal(torch.load(tmp_path / "a.pth", weights_only=True)["layer"], torch.zeros(2))


# ----------------------------------------------------------------------- links, and no files


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "latest.pth"
    link.symlink_to("disk/real.pth")
    for value in (1, 2):  # a link to nothing, then to a file
        save_checkpoint({"a": value}, link)
        assert link.is_symlink()
        assert load_checkpoint_file(tmp_path / "disk/real.pth") == {"a": value}
        verify_checkpoint(link)
    assert sorted(p.name for p in (tmp_path / "disk").iterdir()) == ["real.pth", "real.pth.sum"]
    assert [p.name for p in tmp_path.glob("*.sum")] == []


def test_what_is_no_file_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="something that is no file in its place") as caught:
            save_checkpoint({"a": 1}, path)
        assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


# ------------------------------------------------------------------------------------- kills

KILLED = """
import os, signal, sys
import torch
from engine_dist.checkpoint import save_checkpoint, saving, sharded
from engine_dist.checkpoint.sharded import save_sharded

def die(*args, **kwargs):
    if sys.argv[2] == "wait":
        print("ready", flush=True)
        signal.pause()
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[3] == "file":
    announce = saving.announce
    saving.announce = lambda *a: (announce(*a), die())  # all is written, and its checksum too
    save_checkpoint({"a": torch.zeros(1000)}, sys.argv[1] + "/iter_1.pth")
else:
    sharded.put_in_place = die
    save_sharded({"a": torch.zeros(1000)}, sys.argv[1] + "/iter_1")
"""


def saving(folder: Path, how: str, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", KILLED, str(folder), how, what]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_a_kill_leaves_is_cleared(tmp_path: Path, what: str) -> None:
    save_checkpoint({"a": 0}, tmp_path / "iter_0.pth")
    theirs = ["notes.txt", ".hidden.tmp", "other.incomplete", "c.sum", ".x.engine-y.txt"]
    for name in theirs:
        (tmp_path / name).write_text("a user's")
    before = sorted(p.name for p in tmp_path.iterdir())
    with saving(tmp_path, "die", what) as process:
        assert process.wait(120) == -signal.SIGKILL
    left = sorted(p.name for p in tmp_path.iterdir())
    assert len(left) == len(before) + (2 if what == "file" else 1)
    assert len(clear_leftovers(tmp_path)) == len(left) - len(before)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert clear_leftovers(tmp_path) == []


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_being_written_stays(tmp_path: Path, what: str) -> None:
    process = saving(tmp_path, "wait", what)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    before = sorted(p.name for p in tmp_path.iterdir())
    assert clear_leftovers(tmp_path) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    process.kill()
    process.wait()
    process.stdout.close()
    while not clear_leftovers(tmp_path):  # the system lets go of the locks a moment later
        time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


def test_what_was_replaced_is_cleared(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        save_sharded({"a": torch.full((3,), value)}, tmp_path / "iter_1")
    new, old = tmp_path / "iter_1", tmp_path / "iter_1.replaced"
    for left in (["*"], ["*.distcp"], []):  # a kill before it was removed, and amid that
        old.mkdir()
        for file in (file for pattern in left for file in new.glob(pattern)):
            shutil.copy(file, old)
        assert clear_leftovers(tmp_path) == [old.name]
        assert [path.name for path in tmp_path.iterdir()] == ["iter_1"]


def test_what_may_be_the_only_one_stays(tmp_path: Path) -> None:
    save_sharded({"a": torch.zeros(3)}, tmp_path / "iter_1")
    for name in ("lone.replaced", "iter_2.replaced"):  # nothing has come in their places
        shutil.copytree(tmp_path / "iter_1", tmp_path / name)
    (tmp_path / "iter_1.replaced").mkdir()
    (tmp_path / "iter_1.replaced/notes.txt").write_text("a user's")
    (tmp_path / "iter_2").mkdir()
    before = sorted(p.name for p in tmp_path.iterdir())
    assert clear_leftovers(tmp_path) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == before


WRITES = """
import os, signal, sys
from engine_config import Config, fileio
from engine_config.formats import atomic
atomic._write = lambda path, content: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "put":
    fileio.put(b"x", sys.argv[1])
else:
    Config({"a": 1}).dump(sys.argv[1])
"""


@pytest.mark.parametrize("how", ["put", "dump"])
def test_what_other_writes_leave_is_cleared_too(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", WRITES, str(tmp_path / "config.py"), how]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert clear_leftovers(tmp_path) == [left.name]


def test_no_folder(tmp_path: Path) -> None:
    assert clear_leftovers(tmp_path / "none") == []


# --------------------------------------------------------------------------------- full disks


def limited(size: int, what: str, path: str) -> str:
    """Save where no file may grow beyond a size, as on a full disk; return what was said."""
    code = f"""
import resource, signal, sys, torch
from engine_dist.checkpoint import save_checkpoint
from engine_dist.checkpoint.sharded import save_sharded
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
try:
    {what}({{"a": torch.zeros(100_000)}}, {path!r})
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    path = str(tmp_path / "a.pth")
    said = limited(10_000, "save_checkpoint", path)
    assert said == f"OSError [Errno {errno.EFBIG}] File too large: {path!r}\n"
    assert list(tmp_path.iterdir()) == []
    said = limited(10_000, "save_sharded", str(tmp_path / "folder"))
    assert "UnwritableError saving" in said
    assert "File too large" in said
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        with pytest.raises(OSError, match="No space left on device") as caught:
            save_checkpoint({"a": torch.zeros(100_000)}, disk / "a.pth")
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(disk / "a.pth")
        assert list(disk.iterdir()) == []
        with pytest.raises(CheckpointError, match="No space left on device"):
            save_sharded({"a": torch.zeros(100_000)}, disk / "folder")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


# ----------------------------------------------------------------------------- in the background


def test_views_are_written_once_and_stay_views(tmp_path: Path) -> None:
    base = torch.arange(10_000.0)
    state = {
        "whole": base,
        "head": base[:10],
        "square": base.view(100, 100).t(),
        "parameter": nn.Parameter(base),
        "again": base,
    }
    save_checkpoint(state, tmp_path / "plain.pth")
    with AsyncSaver() as saver:
        for _ in range(2):  # into new buffers, and into the same
            saver.save(state, tmp_path / "async.pth")
            saver.wait()
    size = [(tmp_path / f"{name}.pth").stat().st_size for name in ("plain", "async")]
    assert abs(size[0] - size[1]) < 1000
    loaded = load_checkpoint_file(tmp_path / "async.pth")
    for name, value in state.items():
        assert type(loaded[name]) is type(value)
        assert torch.equal(loaded[name], value)
        assert loaded[name].stride() == value.stride()
    loaded["whole"][3] = -1
    assert loaded["head"][3] == loaded["square"][3, 0] == loaded["again"][3] == -1


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_every_kind_of_tensor(tmp_path: Path) -> None:
    state = {
        "coo": torch.eye(3).to_sparse(),
        "csr": torch.eye(3).to_sparse_csr(),
        "quantized": torch.quantize_per_tensor(torch.ones(3), 0.5, 0, torch.qint8),
        "meta": torch.empty(3, device="meta"),
        "conjugate": torch.tensor([1 + 2j]).conj(),
        "negative": torch.tensor([1 + 2j]).conj().imag,
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(1.5),
        "bits": torch.ones(3, dtype=torch.bfloat16),
    }
    with AsyncSaver() as saver:
        saver.save(state, tmp_path / "async.pth")
    save_checkpoint(state, tmp_path / "plain.pth")
    plain, copied = (load_checkpoint_file(tmp_path / f"{n}.pth") for n in ("plain", "async"))
    for name in state:
        assert copied[name].layout == plain[name].layout
        assert copied[name].dtype == plain[name].dtype
        assert copied[name].device == plain[name].device
        if name != "meta":
            assert torch.equal(dense(copied[name]), dense(plain[name])), name


def dense(value: Tensor) -> Tensor:
    return value.dequantize() if value.is_quantized else value.to_dense()


def test_places_whose_names_read_alike(tmp_path: Path) -> None:
    state = {
        "a.b": torch.ones(2), "a": {"b": torch.zeros(2)}, 1: torch.ones(2), "1": torch.zeros(2),
        "counts": Counter("aab"),
    }  # fmt: skip
    with AsyncSaver() as saver:
        saver.save(state, tmp_path / "a.pth")
    loaded: dict[Any, Any] = load_checkpoint_file(tmp_path / "a.pth")
    assert loaded["a.b"].tolist() == loaded[1].tolist() == [1, 1]
    assert loaded["a"]["b"].tolist() == loaded["1"].tolist() == [0, 0]
    assert loaded["counts"] == {"a": 2, "b": 1}
