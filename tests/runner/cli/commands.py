"""The command itself, in a process and a folder of its own, and a configuration for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFIG = """
custom_imports = dict(imports=['tests.runner.toys'])
model = dict(type='ToyModel')
work_dir = 'runs'
train_dataloader = dict(
    batch_size=4, dataset=dict(type='ToyData'), collate_fn=dict(type='default_collate'))
train_cfg = dict(max_epochs=2)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
val_dataloader = dict(
    batch_size=4, dataset=dict(type='ToyData'), collate_fn=dict(type='default_collate'))
val_evaluator = dict(type='ToyError')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', interval=1, save_best='error', rule='less'))
randomness = dict(seed=0)
"""
ENGINE = (sys.executable, "-m", "engine_runner")


def here() -> dict[str, str]:
    """Return an environment in which the tests can be imported from anywhere."""
    paths = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def engine(
    folder: Path, *arguments: str, program: tuple[str, ...] = ENGINE
) -> subprocess.CompletedProcess[str]:
    """Run ``engine`` in a folder, in which ``config.py`` is `CONFIG` unless there is one."""
    config = folder / "config.py"
    if not config.exists():
        config.write_text(CONFIG)
    return subprocess.run(
        [*program, *arguments],
        capture_output=True, text=True, check=False, cwd=folder, env=here(), timeout=250,
    )  # fmt: skip


def refusal(folder: Path, *arguments: str) -> str:
    """Run ``engine``, which is to find a mistake; return what it says of it."""
    done = engine(folder, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
