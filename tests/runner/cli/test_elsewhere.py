"""A configuration trains from any folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.runner.cli.commands import ENGINE, here, refusal

ROOT = Path(__file__).parents[3]


def test_the_example_from_elsewhere(tmp_path: Path) -> None:
    config = str(ROOT / "examples" / "digits" / "config.py")
    given = ["train_cfg.max_epochs=2", "train_dataloader.num_batch_per_epoch=12"]
    paths = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    outside = os.pathsep.join(p for p in paths if Path(p) != ROOT)
    done = subprocess.run(
        [*ENGINE, "train", config, "--cfg-options", *given],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**here(), "PYTHONPATH": outside},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "work_dirs" / "digits" / "epoch_2.pth").is_file()


def test_a_module_that_fails_is_shown_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import torch\n\ntorch.zeros(nothing_here)\n")
    (tmp_path / "config.py").write_text("custom_imports = dict(imports=['own'])\n")
    assert refusal(tmp_path, "train", "config.py") == (
        f"engine: error: {tmp_path}/config.py:1: custom_imports names 'own', which fails at "
        f"{tmp_path}/own.py:3: NameError: name 'nothing_here' is not defined\n"
    )
