"""The packages import and do their work where Python has only what Windows has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.workspace.tree import MODULES, ROOT
from tests.workspace.windows import TORCH, run_as_on_windows

EVERY_MODULE = """
import importlib, pkgutil
for package in {packages}:
    for info in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)
            print(info.name)
"""

STRANGER = """
from engine_config import Config
print(Config.fromfile("config.py", trusted=False).numbers)
"""

ANNOTATIONS = """
import pickle
from engine_dataset.shared_memory import SharedBytes, adopt
shared = adopt(SharedBytes.write([b"ab", b"c"]))
print(bytes(pickle.loads(pickle.dumps(shared)).view).decode())
"""

OWNER = """
import os
from pathlib import Path
from engine_dist.shared_folder import _is_orphaned, _make_folder
print(_is_orphaned(Path(_make_folder(Path("results")))))
"""

IMPORTED = """
from engine_dist.checkpoint import SandboxError
from engine_dist.checkpoint.importing import import_checkpoint
try:
    import_checkpoint("old.pth", "new.pth")
except SandboxError as error:
    print(error)
"""

STARTS = """
import multiprocessing
from engine_runner.process.children import set_multi_processing
before = multiprocessing.get_start_method(allow_none=True)
set_multi_processing("fork")
print(multiprocessing.get_start_method(allow_none=True) == before)
set_multi_processing("spawn")
print(multiprocessing.get_start_method())
"""

HANGS = """
import signal, time
if hasattr(signal, "SIGUSR1"):
    del signal.SIGUSR1
from engine_dist.testing import RankError, run_processes
if __name__ == "__main__":
    try:
        run_processes(time.sleep, 1, 600, timeout=0.5, init=False)
    except RankError as error:
        print(error)
"""

TRAINS = """
import sys
from engine_runner.cli.main import main
sys.exit(main(["train", "examples/digits/config.py", "--cfg-options", "train_cfg.max_epochs=1",
    "env_cfg.mp_cfg.mp_start_method=fork"]))
"""


def test_every_module_imports(tmp_path: Path) -> None:
    code = EVERY_MODULE.replace("{packages}", repr(sorted(MODULES)))
    found = run_as_on_windows(code, tmp_path, TORCH).split()
    assert {name.partition(".")[0] for name in found} == MODULES


def test_a_config_is_read_as_data(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("numbers = [2 * n for n in range(3)]\n", encoding="utf-8")
    assert run_as_on_windows(STRANGER, tmp_path) == "[0, 2, 4]\n"


def test_annotations_are_kept_and_copied(tmp_path: Path) -> None:
    assert run_as_on_windows(ANNOTATIONS, tmp_path, TORCH) == "abc\n"


def test_nobody_is_ended_to_learn_whether_he_runs(tmp_path: Path) -> None:
    assert run_as_on_windows(OWNER, tmp_path, TORCH) == "False\n"


def test_an_import_says_that_there_is_no_sandbox(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "old.pth")
    assert "it needs Linux" in run_as_on_windows(IMPORTED, tmp_path, TORCH)
    assert not (tmp_path / "new.pth").exists()


def test_processes_start_as_they_can(tmp_path: Path) -> None:
    assert run_as_on_windows(STARTS, tmp_path, TORCH).split() == ["True", "spawn"]


def test_ranks_that_cannot_be_asked_are_ended_at_their_time(tmp_path: Path) -> None:
    script = tmp_path / "hangs.py"  # the ranks import it
    script.write_text(HANGS, encoding="utf-8")
    said = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    assert said.stdout == "rank 0: did not end within the time limit\n"


def test_a_run_trains_and_saves(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    run_as_on_windows(TRAINS, tmp_path, f"{TORCH}import sklearn.datasets\n")
    state = torch.load(tmp_path / "work_dirs" / "digits" / "epoch_1.pth", weights_only=True)
    assert state["meta"]["epoch"] == 1


@pytest.mark.parametrize("name", ["fcntl", "resource", "pwd"])
def test_the_block_holds(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeError, match=f"import of {name} halted"):
        run_as_on_windows(f"import {name}", tmp_path)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import signal; signal.SIGALRM", "SIGALRM"),
        ("import os; os.kill(os.getpid(), 0)", "0 is Ctrl-C"),
        ("import os, sys; os.fsync(open(sys.executable).fileno())", "Bad file descriptor"),
        ("import os; os.getuid()", "getuid"),
    ],
)
def test_what_is_not_there_is_missed(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        run_as_on_windows(code, tmp_path)
