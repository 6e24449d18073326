"""What a project of its own writes on top of the installed packages; run, and checked by mypy."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from engine_config import Config
from engine_evaluator import BaseMetric, ReducibleMetric
from engine_registry import DATASETS, METRICS, MODELS, Registry, build_as
from engine_runner import Runner
from engine_runner.model import BaseModel


class Scale(Protocol):
    """What this project calls a scale."""

    def __call__(self, x: Tensor) -> Tensor: ...


SCALES: Registry[Scale] = Registry("scale")


@SCALES.register_module()
class Times:
    """Multiply by a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x: Tensor) -> Tensor:
        return x * self.factor


@DATASETS.register_module()
class Line(Dataset[dict[str, Tensor]]):
    """Points of ``y = 3 x``."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        x = torch.tensor([index / 64])
        return {"inputs": x, "data_samples": 3 * x}


class SummedError(ReducibleMetric):
    """A metric of tensors alone."""

    def zeros(self) -> dict[str, Tensor]:
        return {"error": torch.zeros(())}

    def update(self, batch: Any) -> None:
        self.add("error", torch.ones(()))

    def compute(self) -> dict[str, Any]:
        return {"error": float(self.state["error"])}


@MODELS.register_module()
class Slope(BaseModel):
    """One factor, learnt."""

    def __init__(self, scale: Times | dict[str, Any]) -> None:
        super().__init__()
        self.scale = build_as(SCALES, scale, Times)
        self.linear = nn.Linear(1, 1, bias=False)

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = "tensor") -> Any:
        """Return the loss, or prediction and target of each sample."""
        y = self.scale(self.linear(inputs))
        if mode == "loss":
            return {"loss": (y - data_samples).square().mean()}
        return list(zip(y, data_samples, strict=True)) if mode == "predict" else y


@METRICS.register_module()
class MeanError(BaseMetric):
    """The mean distance of prediction and target."""

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Keep each sample's distance."""
        self.results += [float((y - t).detach().abs()) for y, t in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        """Return their mean."""
        return {"mean_error": sum(results) / len(results)}


def main(folder: Path) -> float:
    """Train for a few epochs and return the last mean error."""
    loader = {
        "dataset": {"type": "Line"},
        "batch_size": 16,
        "num_workers": 0,
        "collate_fn": {"type": "default_collate"},
    }
    cfg = Config(
        {
            "model": {"type": "Slope", "scale": {"type": "Times", "factor": 2.0}},
            "work_dir": str(folder),
            "train_dataloader": {**loader, "sampler": {"type": "DefaultSampler"}},
            "val_dataloader": {
                **loader,
                "sampler": {"type": "DefaultSampler", "shuffle": False},
            },
            "train_cfg": {"by_epoch": True, "max_epochs": 20},
            "val_cfg": {},
            "val_evaluator": {"type": "MeanError"},
            "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
        }
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    return float(runner.val()["mean_error"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        error = main(Path(place))
    print(f"mean error {error:.4f}")
    if error > 0.1:
        raise SystemExit("the line was not learnt")
