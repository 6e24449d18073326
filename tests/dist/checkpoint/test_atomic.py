"""Whole or not at all: a process that ends at any line of saving, checksums, falling back."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine_config import Config
from engine_dist.checkpoint import (
    CorruptCheckpointError,
    MissingCheckpointError,
    UnsavableStateError,
    find_latest_checkpoint,
    load_checkpoint_file,
    plain,
    remove_checkpoint,
    save_checkpoint,
    verify_checkpoint,
)
from engine_dist.checkpoint.sharded import load_sharded, read_sharded, save_sharded

# Ends at the n-th line that is run of the modules that save; for n = 1, 2, … until it is done.
ENDING = """
import os, sys, warnings
import torch
from engine_dist.checkpoint import checksums, save_checkpoint, saving
from engine_dist.checkpoint import sharded
warnings.simplefilter("ignore")
torch.set_num_threads(1)
kind, path, step = sys.argv[1], sys.argv[2], int(sys.argv[3])
watched = {saving.__file__, checksums.__file__, sharded.__file__}
save = save_checkpoint if kind == "file" else sharded.save_sharded

def end_at(last):
    count = 0
    def on_line(frame, event, argument):
        nonlocal count
        if event == "line":
            count += 1
            if count == last:
                os._exit(9)
        return on_line
    return lambda frame, event, argument: on_line if frame.f_code.co_filename in watched else None

save({"number": 0, "weights": torch.full((1000,), 0.0)}, path)
number, ended = 1, True
while ended:
    child = os.fork()
    if child == 0:
        state = {"number": number, "weights": torch.full((1000,), float(number))}
        sys.settrace(end_at(number * step))
        save(state, path)
        sys.settrace(None)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    checksums.verify_checkpoint(path) if os.path.exists(path) else None
    if kind == "file":
        state = torch.load(path, weights_only=True)
    else:
        state = {"number": -1, "weights": torch.zeros(1000)}
        sharded.load_sharded(state, path)
    assert state["number"] in range(number + 1), state["number"]
    assert torch.equal(state["weights"], torch.full((1000,), float(state["number"])))
    number += 1
print(number, state["number"])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("file", 5),
        ("folder", 20),
        pytest.param("file", 1, marks=pytest.mark.slow),
        pytest.param("folder", 1, marks=pytest.mark.slow),
    ],
)
def test_an_end_at_any_line(kind: str, step: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENDING, kind, str(tmp_path / "a.pth"), str(step)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    number, saved = map(int, done.stdout.split())
    assert number - 1 == saved  # the last one came to its end
    assert number * step > 40


def test_another_file_in_its_place_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    save_checkpoint({"a": torch.ones(3)}, path)
    verify_checkpoint(path)
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(CorruptCheckpointError, match="is not the file whose checksum"):
        verify_checkpoint(path)
    (tmp_path / "a.pth.sum").write_text("{")
    with pytest.raises(CorruptCheckpointError, match="cannot be read"):
        verify_checkpoint(path)
    remove_checkpoint(path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(MissingCheckpointError):
        verify_checkpoint(path)


def test_files_of_others_have_no_checksum_beside_them(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "a.pth")
    verify_checkpoint(tmp_path / "a.pth")
    old = {"a": torch.ones(3)}
    torch.save(old, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    verify_checkpoint(tmp_path / "old.pth")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(CorruptCheckpointError):
        verify_checkpoint(tmp_path / "empty.pth")


def run_folder(folder: Path, sharded: bool = False) -> Path:
    for i in (1, 2, 3):
        path = folder / f"iter_{i}{'' if sharded else '.pth'}"
        (save_sharded if sharded else save_checkpoint)({"iter": i, "w": torch.ones(9)}, path)
        os.utime(path, (i, i))
    (folder / "last_checkpoint").write_text(str(path))
    return path


def test_the_newest_whole_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    last = run_folder(tmp_path)
    assert find_latest_checkpoint(tmp_path) == str(last)
    assert caplog.text == ""
    data = bytearray(last.read_bytes())
    data[data.index(torch.ones(9).numpy().tobytes())] ^= 1
    last.write_bytes(data)
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / "iter_2.pth")
    assert "iter_3.pth" in caplog.text
    assert "going on from the newest whole checkpoint" in caplog.text
    (tmp_path / "iter_2.pth").write_bytes(b"")
    last.unlink()
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / "iter_1.pth")
    (tmp_path / "iter_1.pth").unlink()
    assert find_latest_checkpoint(tmp_path) == str(last)  # loading it says what is wrong
    assert "no other checkpoint" in caplog.text


def test_the_newest_whole_folder(tmp_path: Path) -> None:
    last = run_folder(tmp_path, sharded=True)
    assert find_latest_checkpoint(tmp_path) == str(last)
    part = next(last.glob("*.distcp"))
    part.write_bytes(part.read_bytes()[:-1])
    last.rename(tmp_path / "iter_3.incomplete")  # one more that is none
    assert find_latest_checkpoint(tmp_path) == str(tmp_path / "iter_2")


def test_a_folder_that_was_moved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "old").mkdir()
    run_folder(tmp_path / "old")
    shutil.move(tmp_path / "old", tmp_path / "new")
    assert find_latest_checkpoint(tmp_path / "new") == str(tmp_path / "new" / "iter_3.pth")
    with caplog.at_level(logging.WARNING):
        assert find_latest_checkpoint(tmp_path) is None
    assert "Did not find last_checkpoint" in caplog.text


class Named(dict[str, int]):
    """A dict of another kind."""


def test_what_is_made_plain(tmp_path: Path) -> None:
    shared = torch.ones(2)
    state = {
        "numbers": (np.float32(0.5), np.int64(3), np.bool_(True)),
        "arrays": [np.arange(3), np.array(["a"]), np.array([1, None], dtype=object)],
        "path": tmp_path,
        "named": Named(a=1),
        "config": Config({"a": {"b": 1}}).to_dict(),
        "frozen": frozenset({1}),
        "tied": [shared, shared],
        "dtype": torch.float16,
        "parameter": nn.Parameter(torch.ones(1)),
        np.int64(4): "a key",
    }
    save_checkpoint(state, tmp_path / "a.pth")
    loaded = torch.load(tmp_path / "a.pth", weights_only=True)
    assert loaded["numbers"] == (0.5, 3, True)
    assert loaded["arrays"][0].tolist() == [0, 1, 2]
    assert loaded["arrays"][1:] == [["a"], [1, None]]
    assert loaded["path"] == str(tmp_path)
    assert type(loaded["named"]) is dict
    assert loaded["config"] == {"a": {"b": 1}}
    assert loaded["frozen"] == {1}
    assert loaded["tied"][0].data_ptr() == loaded["tied"][1].data_ptr()
    assert loaded["dtype"] is torch.float16
    assert loaded[4] == "a key"
    assert plain(loaded["tied"]) is loaded["tied"]  # what is plain already is not copied


@pytest.mark.parametrize("bad", [object(), lambda: None, nn.Linear(1, 1), type])
def test_what_cannot_be_saved(bad: Any, tmp_path: Path) -> None:
    with pytest.raises(UnsavableStateError, match=r"^a\.b\[1\] is a "):
        save_checkpoint({"a": {"b": [1, bad]}}, tmp_path / "a.pth")
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, signal, sys, torch
from engine_dist.checkpoint import save_checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
save_checkpoint({"a": 1}, sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
try:
    save_checkpoint({"a": torch.ones(2**20)}, sys.argv[1])
except OSError as error:
    print("OSError")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files")
def test_no_room_for_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    command = [sys.executable, "-c", FULL, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "OSError\n", done.stderr
    assert load_checkpoint_file(path) == {"a": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pth", "a.pth.sum"]


def test_permissions_are_the_umasks(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        save_checkpoint({}, tmp_path / "a.pth")
    finally:
        os.umask(old)
    assert (tmp_path / "a.pth").stat().st_mode & 0o777 == 0o640
    assert load_checkpoint_file(tmp_path / "a.pth") == {}


def test_a_folder_interrupted_while_it_is_replaced(tmp_path: Path) -> None:
    save_sharded({"a": 1}, tmp_path / "it")
    (tmp_path / "it").rename(tmp_path / "it.replaced")
    assert load_sharded({"a": 0}, tmp_path / "it") == {"a": 1}
    save_sharded({"a": 2}, tmp_path / "it")
    assert read_sharded(tmp_path / "it") == {"a": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["it"]
    remove_checkpoint(tmp_path / "it")
