"""What several tests of the datasets share."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine_dataset import BaseDataset


class Numbers(BaseDataset):
    """Entries of a number and its categories, without a file."""

    def __init__(self, numbers: Any = range(5), **kwargs: Any) -> None:
        self.numbers = numbers
        super().__init__(**{"data_prefix": {}, **kwargs})

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"number": n, "cats": [n % 2]} for n in self.numbers]

    def get_cat_ids(self, idx: int) -> list[int]:
        found: list[int] = self.get_data_info(idx)["cats"]
        return found


def write(path: Path, entries: list[Any], metainfo: dict[str, Any] | None = None) -> str:
    """Write an annotation file in json; return its path."""
    path.write_text(json.dumps({"metainfo": metainfo or {}, "data_list": entries}))
    return str(path)


def draw() -> str:
    """Draw from each of the three generators that code commonly uses."""
    old = np.random.rand()  # noqa: NPY002  # pipelines draw from the old generator
    return f"{random.random()} {old} {float(torch.rand(()))}"


class Draw:
    """A transform that adds what it draws from each of the three generators."""

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        return {**sample, "drawn": draw()}


SIZE = 13


def config(**changes: Any) -> dict[str, Any]:
    """Return the configuration of a loader of samples that draw."""
    cfg: dict[str, Any] = {
        "batch_size": 3,
        "dataset": {"type": Numbers, "numbers": range(SIZE), "pipeline": [Draw()]},
        "sampler": {"type": "DefaultSampler", "seed": 5},
    }
    return {**cfg, **changes}


def numbers(batches: Any) -> list[int]:
    """Return the numbers of all batches."""
    return [number for batch in batches for number in batch["number"]]
