"""A run that is stopped says what there is to go on from, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, subprocess, sys, time
from engine_dist import is_distributed
from engine_registry import HOOKS
from engine_runner.cli import main
from engine_runner.hooks import Hook
import tests.runner.toys

signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it

@HOOKS.register_module()
class Signals(Hook):
    priority = "LOWEST"
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == int(sys.argv[2]):
            for number in map(int, sys.argv[1].split("+")):
                if "GROUP" in os.environ:  # by another process: torch's workers obey their parent
                    subprocess.run(["kill", f"-{number}", "--", f"-{os.getpgid(0)}"])
                    time.sleep(1)  # in which a worker that ends makes itself heard
                else:
                    os.kill(os.getpid(), number)
            if "HANGS" in os.environ:
                time.sleep(150)
    def before_test_iter(self, runner, batch_idx, data_batch=None):
        os.kill(os.getpid(), int(sys.argv[1]))

verb = ["test", "config.py", "runs/epoch_4.pth"] if "TESTS" in os.environ else ["train", "config.py"]
status = main([*verb, "--work-dir", "runs", *sys.argv[3:]])
assert not is_distributed()
sys.exit(status)
"""
CONFIG = """
model = dict(type='ToyModel')
train_dataloader = dict(
    batch_size=4, dataset=dict(type='ToyData'), collate_fn=dict(type='default_collate'))
train_cfg = dict(max_epochs=4)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
test_dataloader = train_dataloader
test_evaluator = dict(type='ToyError')
custom_hooks = [dict(type='Signals')]
"""
IN_START_UP = """
import os, signal
os.kill(os.getpid(), signal.SIGTERM)
"""


def run(
    folder: Path, *arguments: object, head: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    (folder / "config.py").write_text(head + CONFIG)
    here = str(Path(__file__).parents[3])
    paths = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=folder, timeout=200, start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (int(signal.SIGINT), "Ctrl-C"),
        ("15", "SIGTERM"),
        ("15+15", "SIGTERM"),
    ],  # twice is handed on
)
def test_what_was_saved_and_how_to_go_on(tmp_path: Path, number: int | str, name: str) -> None:
    done = run(tmp_path, number, 8)
    assert done.returncode == 75
    # the iteration that ran is done, and what it has come to is saved
    assert done.stderr.splitlines() == [
        f"engine: stopped by {name} after 8 of 12 iterations; the newest checkpoint is "
        "runs/epoch_2_iter_8.pth. Go on from it by: engine train config.py --work-dir runs --resume"
    ]
    again = run(tmp_path, 0, 0, "--resume")
    assert (again.returncode, again.stderr) == (0, "")


def test_in_start_up(tmp_path: Path) -> None:
    done = run(tmp_path, 0, 0, head=IN_START_UP)
    assert done.returncode == 75
    assert done.stderr.splitlines() == [
        "engine: stopped by SIGTERM, with nothing to save. Begin again by: engine train config.py "
        "--work-dir runs --resume"
    ]


@pytest.mark.parametrize(
    ("numbers", "more", "status", "why"),
    [
        ("15+2", [], 130, "Ctrl-C came after SIGTERM"),
        pytest.param(
            "15",
            ["--cfg-options", "env_cfg.preemption.deadline=1"],
            143,
            "1 s after SIGTERM",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_at_once(tmp_path: Path, numbers: str, more: list[str], status: int, why: str) -> None:
    done = run(tmp_path, numbers, 8, *more, HANGS="1")
    assert done.returncode == status
    (line,) = done.stderr.splitlines()
    assert why in line
    assert line.endswith("ended at once; the newest whole checkpoint stays")
    assert (tmp_path / "runs" / "last_checkpoint").read_text() == "runs/epoch_2.pth"


@pytest.mark.slow
def test_a_test(tmp_path: Path) -> None:
    assert run(tmp_path, 0, 0).returncode == 0
    done = run(tmp_path, int(signal.SIGTERM), 0, TESTS="1")
    assert (done.returncode, done.stdout.count("error:")) == (75, 0)
    assert "stopped by SIGTERM" in done.stderr


@pytest.mark.parametrize(
    ("number", "start"),
    [
        (signal.SIGTERM, "fork"),
        pytest.param(signal.SIGINT, "fork", marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, "fork", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "spawn", marks=pytest.mark.slow),
    ],
)
def test_workers_that_are_told_too_stay_until_it_is_saved(
    tmp_path: Path, number: signal.Signals, start: str
) -> None:
    values = ["train_dataloader.num_workers=2", f"env_cfg.mp_cfg.mp_start_method={start}"]
    done = run(tmp_path, int(number), 4, "--cfg-options", *values, GROUP="1")
    assert done.returncode == 75, done.stderr
    assert "the newest checkpoint is runs/epoch_1_iter_4.pth" in done.stderr


def test_a_job_leaves_its_group(tmp_path: Path) -> None:
    one = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    done = run(tmp_path, 0, 0, "--launcher", "pytorch", MASTER_PORT="29577", **one)
    assert done.returncode == 0, done.stderr


def test_a_killed_run_leaves_its_folder_free(tmp_path: Path) -> None:
    # its data loader's workers outlive it for a while
    workers = ["--cfg-options", "train_dataloader.num_workers=2"]
    assert run(tmp_path, int(signal.SIGKILL), 8, *workers).returncode == -signal.SIGKILL
    assert (tmp_path / "runs" / ".lock").is_file()
    again = run(tmp_path, 0, 0, "--resume", *workers)
    assert (again.returncode, again.stderr) == (0, "")
    assert "ended after 4 epochs, 12 iterations" in again.stdout
    assert not (tmp_path / "runs" / ".lock").exists()
    new = run(tmp_path, 0, 0)
    assert new.returncode == 2
    assert "holds another run, up to epoch_4.pth" in new.stderr
