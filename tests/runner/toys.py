"""A small regression to run things on: components, and a configuration that names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from engine_evaluator import BaseMetric
from engine_registry import DATASETS, METRICS, MODELS
from engine_runner.model import BaseModel

SIZE = 12


@DATASETS.register_module()
class ToyData(Dataset[dict[str, Tensor]]):
    """Points on a plane, the same at every start."""

    metainfo: dict[str, Any] = {"name": "toy"}  # noqa: RUF012  # as datasets of the engine have it

    def __init__(self, size: int = SIZE) -> None:
        generator = torch.Generator().manual_seed(1)
        self.points = torch.randn(size, 2, generator=generator)
        self.heights = self.points @ torch.tensor([[2.0], [-1.0]]) + 0.5

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"inputs": self.points[index], "heights": self.heights[index], "index": index}


@DATASETS.register_module()
class ToyStream(IterableDataset[dict[str, Tensor]]):
    """The same points, one after the other, as something that has no length."""

    def __init__(self, size: int = SIZE) -> None:
        self.data = ToyData(size)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self.data[i] for i in range(len(self.data)))


@MODELS.register_module()
class ToyModel(BaseModel):
    """One linear layer that also remembers which samples it saw."""

    def __init__(self, width: int = 1, data_preprocessor: Any = None) -> None:
        super().__init__(data_preprocessor)
        self.linear = nn.Linear(2, width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.seen: list[list[int]] = []

    def forward(  # type: ignore[override]  # a batch names its entries
        self, inputs: Tensor, heights: Tensor, index: Tensor, mode: str = "tensor"
    ) -> Any:
        out = self.linear(inputs)
        if mode == "loss":
            self.seen.append(index.tolist())
            return {"loss": (out - heights).square().mean(), "bias": self.linear.bias.detach()}
        if mode == "predict":
            return [{"error": float(e)} for e in (out - heights).square()]
        return out


@METRICS.register_module()
class ToyError(BaseMetric):
    """The mean squared error."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.extend(sample["error"] for sample in data_samples)

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"error": sum(results) / len(results)}


def loader(batch_size: int = 4, shuffle: bool = False) -> DataLoader[dict[str, Tensor]]:
    """Return a loader of the toy data."""
    return DataLoader(ToyData(), batch_size=batch_size, shuffle=shuffle)


def loader_cfg(shuffle: bool = True) -> dict[str, Any]:
    """Return the configuration of a loader of the toy data, 3 batches an epoch."""
    return {
        "batch_size": 4,
        "sampler": {"type": "DefaultSampler", "shuffle": shuffle},
        "collate_fn": {"type": "default_collate"},
        "dataset": {"type": "ToyData"},
    }


def stream_cfg(size: int = SIZE, **changes: Any) -> dict[str, Any]:
    """Return the configuration of a loader of the toy stream."""
    return {
        **loader_cfg(),
        "sampler": None,
        "dataset": {"type": "ToyStream", "size": size},
        **changes,
    }


def run_cfg(work_dir: Path, **changes: Any) -> dict[str, Any]:
    """Return a whole run's configuration, with some of it changed."""
    cfg: dict[str, Any] = {
        "model": {"type": "ToyModel"},
        "work_dir": str(work_dir),
        "train_dataloader": loader_cfg(),
        "train_cfg": {"by_epoch": True, "max_epochs": 4},
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
        },
        "param_scheduler": {"type": "ExponentialLR", "gamma": 0.9, "by_epoch": True},
        "val_dataloader": loader_cfg(shuffle=False),
        "val_cfg": {},
        "val_evaluator": {"type": "ToyError"},
        "randomness": {"seed": 3},
        "default_hooks": {"logger": {"type": "LoggerHook", "interval": 1}},
        "log_level": "ERROR",
    }
    cfg.update(changes)
    return cfg
