"""The example under Ray: two processes of one machine, of which one is lost.

``hatch run ray:test``, in an environment of its own; elsewhere it is skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from engine_dist.checkpoint import load_checkpoint_file

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("ray") is None, reason="Ray is not installed: hatch run ray:test"
    ),
]


def trained(folder: Path, *more: str) -> dict[str, torch.Tensor]:
    """Train in short under Ray; return the weights."""
    done = subprocess.run(
        [
            sys.executable, "-m", "examples.ray.train", "examples/lm/config.py", "--workers", "2",
            "--work-dir", str(folder), "--interval", "4", *more, "--cfg-options",
            "train_cfg.max_iters=12", "train_cfg.val_interval=100",
            "default_hooks.checkpoint.interval=4",
        ],
        cwd=ROOT, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}, capture_output=True,
        text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    weights: dict[str, torch.Tensor] = load_checkpoint_file(str(folder / "iter_12.pth"))[
        "state_dict"
    ]
    return weights


def test_a_lost_process_changes_nothing(tmp_path: Path) -> None:
    unbroken = trained(tmp_path / "unbroken")
    broken = trained(tmp_path / "broken", "--lost-at", "10")
    assert (tmp_path / "broken" / "lost").exists()
    # a folder of logs a start
    starts = [len(list((tmp_path / name).glob("20*"))) for name in ("unbroken", "broken")]
    assert starts == [1, 2]
    assert unbroken.keys() == broken.keys()
    for name, value in unbroken.items():
        torch.testing.assert_close(broken[name], value, rtol=0, atol=0)
