"""A run in which everything draws has MMEngine's losses, to the last validation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine_evaluator import BaseMetric
from engine_runner import Runner
from engine_runner.model import BaseModel
from tests.runner.assets.drawing import FILE, LENGTHS, WORKERS, metric, network, run

RECORDED: dict[str, list[float]] = json.loads(FILE.read_text())
Dropping, Error = network(BaseModel), metric(BaseMetric)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("length", LENGTHS)
def test_the_losses_are_mmengines(tmp_path: Path, workers: str, length: str) -> None:
    model: Any = Dropping()
    Runner(**run(str(tmp_path), workers, length, model, Error())).train()
    # another number drawn changes far more; what the last bits are is the processor's
    assert model.losses == pytest.approx(RECORDED[f"{workers} {length}"], rel=1e-4)
