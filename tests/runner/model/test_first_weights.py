"""First weights and pictures, number for number as MMEngine makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import engine_runner.model
from tests.runner.model import first_weights

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parent / "assets" / "first_weights.json").read_text()
)


def test_each_initializer_draws_what_mmengine_draws() -> None:
    drawn = first_weights.weights(engine_runner.model)
    assert drawn.keys() == RECORDED["weights"].keys()
    for init_cfg, numbers in drawn.items():
        # the last bits of a root or a logarithm are the processor's
        assert numbers == {
            name: pytest.approx(values, rel=1e-6, abs=1e-7)
            for name, values in RECORDED["weights"][init_cfg].items()
        }, init_cfg


def test_pictures_become_what_they_become_in_mmengine() -> None:
    for made, expected in zip(
        first_weights.pictures(engine_runner.model), RECORDED["pictures"], strict=True
    ):
        assert made[:2] == expected[:2]
        assert made[2] == pytest.approx(expected[2], rel=1e-6)
