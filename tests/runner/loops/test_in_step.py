"""Validation where each forward pass is a collective, with unequal numbers of batches on the ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn
from torch.utils.data import DataLoader, Subset

from engine_dist import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    SingleDeviceStrategy,
    get_rank,
    get_world_size,
)
from engine_dist.testing import ProcessPool
from engine_runner import FlexibleRunner
from engine_runner.hooks import Hook
from tests.runner.toys import ToyData, ToyModel, loader_cfg, run_cfg, stream_cfg

SIZE = 7


class Counts(Hook):
    """Counts the batches that hooks see."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.seen += data_batch["index"].tolist()


def batches(kind: str) -> Any:
    if kind == "uneven":
        sampler = {"type": "DefaultSampler", "shuffle": False, "round_up": False}
        dataset = {"type": "ToyData", "size": SIZE}
        return {**loader_cfg(), "batch_size": 1, "sampler": sampler, "dataset": dataset}
    if kind == "stream":
        return stream_cfg(size=SIZE, batch_size=1)
    data = Subset(
        ToyData(SIZE), range(0 if get_rank() else SIZE)
    )  # none at all on the second rank
    return list(DataLoader(data)) if get_world_size() > 1 else list(DataLoader(ToyData(SIZE)))


def validate(folder: str, kind: str) -> tuple[float, int, list[int]]:
    launcher = "none" if get_world_size() == 1 else "pytorch"
    cfg = run_cfg(Path(folder), launcher=launcher, val_dataloader=batches(kind))
    counts = Counts()
    model = ToyModel()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    forwards: list[None] = []
    model.register_forward_pre_hook(lambda *args: forwards.append(None))
    strategy = SingleDeviceStrategy() if launcher == "none" else FSDPStrategy()
    assert strategy.forward_is_collective == (launcher != "none")
    cfg |= {"model": model, "strategy": strategy, "custom_hooks": [counts]}
    error = FlexibleRunner(**cfg).val()["error"]
    return error, len(forwards), counts.seen


@pytest.mark.parametrize("kind", ["uneven", "stream", "none on one rank"])
def test_all_ranks_make_as_many_forward_passes(
    pool2: ProcessPool, tmp_path: Path, kind: str
) -> None:
    alone, passes, everything = validate(str(tmp_path / "alone"), kind)
    assert (passes, everything) == (SIZE, list(range(SIZE)))
    (one, most, seen), (other, as_many, rest) = pool2.run(
        validate, str(tmp_path), kind, timeout=100
    )
    assert one == other == pytest.approx(alone, rel=1e-6)
    assert most == as_many == len(seen)
    assert len(seen) > len(rest)
    assert sorted(seen + rest) == everything


def test_which_strategies_need_it() -> None:
    assert not DDPStrategy().forward_is_collective
    assert DeepSpeedStrategy(zero_optimization={"stage": 3}).forward_is_collective
    assert not DeepSpeedStrategy(zero_optimization={"stage": 2}).forward_is_collective
