"""Another order of the samples in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import BatchSampler, DataLoader, Sampler

from engine_runner import Runner
from tests.runner.toys import ToyData, ToyModel, run_cfg


class Noting(Sampler[int]):
    """Gives all samples, and notes the epochs that it is told of."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.told.append(epoch)

    def __iter__(self) -> Iterator[int]:
        return iter(range(12))

    def __len__(self) -> int:
        return 12


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("left_out", [False, True])
def test_the_sampler_is_told_of_every_epoch(tmp_path: Path, batched: bool, left_out: bool) -> None:
    sampler = Noting()
    how: dict[str, Any] = (
        {"batch_sampler": BatchSampler(sampler, 4, drop_last=False)}
        if batched
        else {"sampler": sampler, "batch_size": 4}
    )
    cfg = run_cfg(tmp_path, train_dataloader=DataLoader(ToyData(), **how))
    if left_out:
        cfg["default_hooks"]["sampler_seed"] = None
    Runner(**cfg).train()
    assert sampler.told == ([] if left_out else [0, 1, 2, 3])


def test_without_the_hook_every_epoch_has_the_same_order(tmp_path: Path) -> None:
    orders = []
    for hook in ({"type": "DistSamplerSeedHook"}, None):
        cfg = run_cfg(tmp_path)
        cfg["default_hooks"]["sampler_seed"] = hook
        model = Runner(**cfg).train()
        assert isinstance(model, ToyModel)
        orders.append([model.seen[:3], model.seen[3:6]])
    assert orders[0][0] != orders[0][1]
    assert orders[1][0] == orders[1][1]
