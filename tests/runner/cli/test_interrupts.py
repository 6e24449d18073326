"""A run that is stopped says what there is to go on from, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, sys
from engine_dist import is_distributed
from engine_registry import HOOKS
from engine_runner.cli import main
from engine_runner.hooks import Hook
import tests.runner.toys

@HOOKS.register_module()
class Signals(Hook):
    priority = "LOWEST"
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == int(sys.argv[2]):
            os.kill(os.getpid(), int(sys.argv[1]))

status = main(["train", "config.py", "--work-dir", "runs", *sys.argv[3:]])
assert not is_distributed()
sys.exit(status)
"""
CONFIG = """
model = dict(type='ToyModel')
train_dataloader = dict(
    batch_size=4, dataset=dict(type='ToyData'), collate_fn=dict(type='default_collate'))
train_cfg = dict(max_epochs=4)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
custom_hooks = [dict(type='Signals')]
"""


def run(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "config.py").write_text(CONFIG)
    here = str(Path(__file__).parents[3])
    paths = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=folder, timeout=200,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")]
)
def test_what_was_saved_and_how_to_go_on(
    tmp_path: Path, number: signal.Signals, name: str
) -> None:
    done = run(tmp_path, int(number), 8)
    assert done.returncode == 128 + number
    # six iterations are two epochs, whose checkpoint is there; the eighth is not counted yet
    assert done.stderr.splitlines() == [
        f"engine: stopped by {name} after 7 of 12 iterations; the newest checkpoint is "
        "runs/epoch_2.pth. Go on from it by: engine train config.py --work-dir runs --resume"
    ]
    again = run(tmp_path, 0, 0, "--resume")
    assert (again.returncode, again.stderr) == (0, "")


def test_nothing_was_saved_yet(tmp_path: Path) -> None:
    done = run(tmp_path, int(signal.SIGINT), 2)
    assert done.returncode == 130
    assert "no checkpoint was saved in runs, so the run begins anew" in done.stderr


def test_a_job_leaves_its_group(tmp_path: Path) -> None:
    one = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    done = run(tmp_path, 0, 0, "--launcher", "pytorch", MASTER_PORT="29577", **one)
    assert done.returncode == 0, done.stderr
