"""A job of torchrun that is told to stop goes on as if nothing had been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HOOKS = """
import os, signal
from engine_registry import HOOKS
from engine_runner.hooks import Hook
import tests.runner.toys

@HOOKS.register_module()
class TellsTorchrun(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == 1 and runner.iter == 6 and "TOLD" in os.environ:
            os.kill(os.getppid(), signal.SIGTERM)
"""
CONFIG = """
custom_imports = dict(imports=['hooks_of_mine'])
model = dict(type='ToyModel')
train_dataloader = dict(
    batch_size=2, num_workers=1, dataset=dict(type='ToyData', size=40),
    collate_fn=dict(type='default_collate'), sampler=dict(type='DefaultSampler', shuffle=True))
train_cfg = dict(max_epochs=2)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9))
custom_hooks = [dict(type='TellsTorchrun')]
randomness = dict(seed=1)
"""


def job(folder: Path, work_dir: str, *more: str, **environment: str) -> int:
    here = str(Path(__file__).parents[3])
    paths = os.pathsep.join([str(folder), here, os.environ.get("PYTHONPATH", "")])
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0",
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0",
        "-m", "engine_runner", "train", "config.py", "--launcher", "pytorch", "--work-dir", work_dir,
    ]  # fmt: skip
    return subprocess.run(
        [*command, *more], check=False, cwd=folder, timeout=300,
        env={**os.environ, "PYTHONPATH": paths, **environment},
    ).returncode  # fmt: skip


@pytest.mark.slow
def test_all_ranks_save_and_go_on(tmp_path: Path) -> None:
    (tmp_path / "hooks_of_mine.py").write_text(HOOKS)
    (tmp_path / "config.py").write_text(CONFIG)
    assert job(tmp_path, "whole") == 0
    assert job(tmp_path, "told", TOLD="1") != 0
    newest = (tmp_path / "told" / "last_checkpoint").read_text()
    # the first signal, or that of the other rank, came by its seventh iteration or the one after
    assert newest in {f"told/epoch_{n // 10}_iter_{n}.pth" for n in range(6, 20)}, newest
    assert job(tmp_path, "told", "--resume") == 0
    ours, theirs = (
        torch.load(tmp_path / folder / "epoch_2.pth", weights_only=True)
        for folder in ("told", "whole")
    )
    for key, value in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][key], value)
