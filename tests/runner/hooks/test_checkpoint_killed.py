"""A run that is killed while it saves, in the background too, leaves whole checkpoints alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENDING = """
import os, random, sys, threading
from pathlib import Path
import torch
from engine_dist.checkpoint import asynchronous, checksums, forms, saving, sharded, temporaries
from engine_dist.checkpoint import load_checkpoint_file, verify_checkpoint
from engine_runner import Runner
from engine_runner.hooks import folders, writing
from tests.runner.toys import run_cfg
torch.set_num_threads(1)
form, asynchronous_, root, kills = sys.argv[1], sys.argv[2] == "True", Path(sys.argv[3]), int(sys.argv[4])
watched = {m.__file__ for m in (
    asynchronous, checksums, forms, saving, sharded, temporaries, folders, writing
)}

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

def train(folder, last=None):
    cfg = run_cfg(folder, resume=True, train_cfg={"max_epochs": 2})
    cfg["default_hooks"]["checkpoint"] = {
        "type": "CheckpointHook", "interval": 1, "by_epoch": False, "max_keep_ckpts": 2,
        "form": form, "asynchronous": asynchronous_, "save_best": "error", "rule": "less",
    }
    if last is not None:
        threading.settrace(end_at(last))
        sys.settrace(threading.gettrace())
    Runner(**cfg).train()

def weights(folder):
    return load_checkpoint_file(folder / "iter_6.pth")["state_dict"]["linear.weight"]

folder, number = root / "killed", random.Random(7)
reached = set()
for _ in range(kills):
    child = os.fork()
    if child == 0:
        train(folder, number.randrange(150, 900))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), code
    for path in folder.glob("*.pth"):
        verify_checkpoint(path)
    pointer = folder / "last_checkpoint"
    if pointer.exists():
        verify_checkpoint(pointer.read_text())
        reached.add(Path(pointer.read_text()).name)
    if code == 0:
        import shutil
        shutil.rmtree(folder)
train(folder)
train(root / "whole")
assert torch.equal(weights(folder), weights(root / "whole"))
left, expected = (
    sorted(path.name for path in place.iterdir() if not path.is_dir() or path.suffix)
    for place in (folder, root / "whole")
)
assert left == expected, (left, expected)  # nothing half made, and no more than are to be kept
print(len(reached), len(left))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", ["single", "sharded"])
@pytest.mark.parametrize("asynchronous", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_killed_while_saving(tmp_path: Path, form: str, asynchronous: bool, kills: int) -> None:
    command = [sys.executable, "-c", ENDING, form, str(asynchronous), str(tmp_path), str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    reached, left = map(int, done.stdout.split())
    assert reached >= 1
    assert left > 3
