"""What a model or a metric of one's own gives back amiss is told in a line, amid the training."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner.cli.commands import CONFIG, refusal

PARTS = """
import torch
from engine_evaluator import BaseMetric
from engine_registry import METRICS, MODELS
from tests.runner.toys import ToyModel


@MODELS.register_module()
class Odd(ToyModel):
    def forward(self, *args, mode="tensor", **kwargs):
        given = super().forward(*args, mode=mode, **kwargs)
        return {losses} if mode == "loss" else {predictions}


@METRICS.register_module()
class OddMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        return {values}
"""
CHANGES = """
custom_imports = dict(imports=['parts'])
model = dict(type='Odd')
val_evaluator = dict(type='OddMetric')
default_hooks = dict()
"""
RIGHT = {"losses": "given", "predictions": "given", "values": "{'one': 1.0}"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"losses": "given['loss']"}, "forward(mode='loss') must return a dict of losses by name"),
        ({"losses": "None"}, "got NoneType; return {'loss': value}"),
        ({"losses": "{'mse': given['loss']}"}, "no entry of the losses has 'loss' in its name"),
        ({"losses": "{'loss': 'x'}"}, "loss 'loss' must be a tensor or a non-empty list"),
        ({"predictions": "torch.ones(4)"}, "data samples must be a mapping of batched tensors"),
        ({"values": "0.5"}, "OddMetric must compute a dict of values by name (str), got float"),
    ],
)
def test_what_is_given_back(tmp_path: Path, given: dict[str, str], said: str) -> None:
    parts = PARTS
    for name, value in {**RIGHT, **given}.items():
        parts = parts.replace("{" + name + "}", value)
    (tmp_path / "parts.py").write_text(parts)
    other = "val_evaluator = dict(type='Accuracy')" if "predictions" in given else ""
    (tmp_path / "config.py").write_text(CONFIG + CHANGES + other)
    told = refusal(tmp_path, "train", "config.py")
    assert said in told
    assert len(told.splitlines()) <= 2
