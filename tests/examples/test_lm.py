"""The language model example, in short."""

from __future__ import annotations

from pathlib import Path

from tests.examples.test_digits import engine, scalars


def test_the_validation_loss_falls(tmp_path: Path) -> None:
    options = (
        "train_cfg.max_iters=40", "train_cfg.val_interval=20",
        "default_hooks.checkpoint.interval=40",
    )  # fmt: skip
    config = "examples/lm/config.py"
    done = engine("train", config, "--work-dir", str(tmp_path), "--cfg-options", *options)
    assert done.returncode == 0, done.stderr
    lines = scalars(tmp_path)
    assert sum("grad_norm" in line for line in lines) == 2
    found = [line["loss"] for line in lines if "grad_norm" not in line]
    assert len(found) == 2
    assert found[1] < found[0] < 4.58  # ln(97): nothing learnt
