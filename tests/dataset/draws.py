"""What MMEngine's loaders draw, recorded in draws.json for this engine to draw the same.

Run ``PYTHON -m tests.dataset.draws`` with an interpreter that has MMEngine 0.10.7.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

FILE = Path(__file__).with_name("draws.json")
SEED = 7
CASES: dict[str, dict[str, Any]] = {
    "no workers": {"num_workers": 0},
    "two workers": {"num_workers": 2},
    "two workers that persist": {"num_workers": 2, "persistent_workers": True},
    "three workers, far ahead": {"num_workers": 3, "prefetch_factor": 4},
}


class Drawing(Dataset[tuple[int, list[float]]]):
    """Draws from each generator, for some samples more than for others, for some nothing."""

    def __len__(self) -> int:
        return 14

    def __getitem__(self, index: int) -> tuple[int, list[float]]:
        return index, [one for _ in range(index % 3) for one in self.draw()]

    def draw(self) -> list[float]:
        """Draw once from all, and half a pair of normal numbers."""
        numpy = np.random.rand(), np.random.normal()  # noqa: NPY002  # as user code does
        return [
            float(one) for one in (random.random(), *numpy, random.gauss(0, 1), torch.rand(()))
        ]


def config(**changes: Any) -> dict[str, Any]:
    """Return the configuration of a loader, for either engine."""
    return {
        "dataset": Drawing(),
        "batch_size": 2,
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "collate_fn": {"type": list},
        **changes,
    }


def seed_all() -> None:
    """Seed this process as a run does."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002  # as user code does
    torch.manual_seed(SEED)


def two_passes(loader: Any) -> list[Any]:
    """Return what two passes give."""
    found = []
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        found.append([[list(part) for part in batch] for batch in loader])
    return found


def _recorded(changes: dict[str, Any]) -> list[Any]:
    from mmengine.runner import Runner

    seed_all()
    return two_passes(Runner.build_dataloader(config(**changes), seed=SEED))


if __name__ == "__main__":
    lines = (f"{json.dumps(name)}: {json.dumps(_recorded(c))}" for name, c in CASES.items())
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
