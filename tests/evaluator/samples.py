"""What several tests of the evaluator share: data elements, and a sampler's share of a data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engine_evaluator import BaseMetric


class Element:
    """A data element as models return it: fields as attributes, and ``to_dict``."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


class Count(BaseMetric):
    """Counts the results; gathers one number a sample."""

    default_prefix: str | None = "count"

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        self.results += [sample["index"] for sample in data_samples]

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        return {"n": len(results), "order": list(results)}


def share(size: int, rank: int, world_size: int) -> list[int]:
    """Return the positions that a padding sampler gives a rank."""
    each = math.ceil(size / world_size)
    padded = [i % size for i in range(each * world_size)] if size else []
    return padded[rank::world_size]


def predictions(size: int, classes: int = 4) -> dict[str, Tensor]:
    """Return scores, labels and a loss of a made-up data set."""
    generator = torch.Generator().manual_seed(size)
    return {
        "pred_scores": torch.randn(size, classes, generator=generator),
        "gt_label": torch.randint(classes, (size,), generator=generator),
        "loss": torch.rand(size, generator=generator, dtype=torch.float64),
        "index": torch.arange(size),
    }


def batches(
    samples: dict[str, Tensor], positions: list[int], size: int
) -> list[dict[str, Tensor]]:
    """Cut the samples at some positions into batches."""
    chunks = [positions[i : i + size] for i in range(0, len(positions), size)]
    return [{key: value[chunk] for key, value in samples.items()} for chunk in chunks]
