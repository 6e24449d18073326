"""A run in which everything draws, and what MMEngine's losses in it were: drawing.json.

Run ``PYTHON -m tests.runner.assets.drawing`` with an interpreter that has MMEngine 0.10.7, to
record them once more.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

FILE = Path(__file__).with_name("drawing.json")
SEED = 3
WORKERS: dict[str, dict[str, Any]] = {
    "no workers": {},
    "two workers": {"num_workers": 2},
    "two workers that persist": {"num_workers": 2, "persistent_workers": True},
}
LENGTHS: dict[str, dict[str, Any]] = {
    "by epoch": {"by_epoch": True, "max_epochs": 3},
    "by iteration": {"by_epoch": False, "max_iters": 13, "val_interval": 4},
}


class Noisy(Dataset[dict[str, Tensor]]):
    """Points that every generator disturbs as they are read, some more than others."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        noise = torch.rand(2) * 0.1
        for _ in range(index % 3):
            noise += random.random() + np.random.rand()  # noqa: NPY002  # as user code does
        return {
            "inputs": (index / 10 + noise) / 4,
            "heights": torch.tensor([index / 10]) + 0.1 * torch.rand(1),
        }


def network(base: Any) -> Any:
    """Return a model class: a small network with dropout, with its losses and errors."""

    class Dropping(base):  # type: ignore[misc]  # of whichever engine asks
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
            for parameter in self.parameters():
                nn.init.constant_(parameter, 0.1)
            self.losses: list[float] = []

        def forward(self, inputs: Tensor, heights: Tensor, mode: str = "tensor") -> Any:
            error = (self.net(inputs) - heights).square()
            if mode == "loss":
                loss = error.mean() * (1 + 0.1 * random.random())
                self.losses.append(float(loss.detach()))
                return {"loss": loss}
            self.losses.append(-float(error.mean()))
            return [{"error": float(one)} for one in error]

    return Dropping


def metric(base: Any) -> Any:
    """Return a metric class: the mean of the errors."""

    class Error(base):  # type: ignore[misc]  # of whichever engine asks
        default_prefix = "of"

        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results.extend(sample["error"] for sample in data_samples)

        def compute_metrics(self, results: Any) -> dict[str, float]:
            return {"error": sum(results) / len(results)}

    return Error


def run(folder: str, workers: str, length: str, model: Any, error: Any) -> dict[str, Any]:
    """Return the arguments of either engine's `Runner`."""
    train_cfg = LENGTHS[length]
    loader = {
        "dataset": Noisy(),
        "batch_size": 2,
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "collate_fn": {"type": "default_collate"},
        "num_workers": 0,
        **WORKERS[workers],
    }
    return {
        "model": model,
        "work_dir": folder,
        "train_dataloader": loader,
        "val_dataloader": {**loader, "sampler": {"type": "DefaultSampler", "shuffle": False}},
        "val_cfg": {},
        "val_evaluator": [error],
        "train_cfg": train_cfg,
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.5}},
        "randomness": {"seed": SEED},
        "log_level": "ERROR",
    }


def _recorded(workers: str, length: str) -> list[float]:
    import tempfile

    from mmengine.evaluator import BaseMetric
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    with tempfile.TemporaryDirectory() as folder:
        model, error = network(BaseModel)(), metric(BaseMetric)()
        arguments = run(folder, workers, length, model, error)
        Runner(**arguments, experiment_name=f"{workers} {length}").train()
    losses: list[float] = model.losses
    return losses


if __name__ == "__main__":
    cases = [(workers, length) for workers in WORKERS for length in LENGTHS]
    lines = [f'"{" ".join(case)}": {json.dumps(_recorded(*case))}' for case in cases]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
