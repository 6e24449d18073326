"""The example with two optimizers, in short."""

from __future__ import annotations

from pathlib import Path

from tests.examples.test_digits import engine, scalars


def test_the_points_come_near_to_the_ring(tmp_path: Path) -> None:
    config = "examples/gan/config.py"
    options = ("train_cfg.max_epochs=20", "train_cfg.val_interval=20", "model.dropout=0.1")
    done = engine("train", config, "--work-dir", str(tmp_path), "--cfg-options", *options)
    assert done.returncode == 0, done.stderr
    lines = scalars(tmp_path)
    (distance,) = [line["energy_distance"] for line in lines if "energy_distance" in line]
    assert distance < 0.1  # of untrained networks, over 0.5
    rates = [line for line in lines if "generator.lr" in line]
    assert rates[-1]["discriminator.lr"] < rates[0]["discriminator.lr"]
    assert rates[-1]["generator.lr"] > rates[0]["generator.lr"]
