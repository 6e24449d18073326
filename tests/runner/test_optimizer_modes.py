"""What an optimizer is told of validation, saving and the end: to use other weights, to settle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_evaluator import BaseMetric
from engine_optim import OptimWrapper
from engine_registry import OPTIM_WRAPPERS
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.toys import run_cfg


class Weights(Hook):
    """Notes the weights after each step."""

    def __init__(self) -> None:
        self.in_training: list[Tensor] = []

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        model: Any = runner.model
        self.in_training.append(model.linear.weight.detach().clone())


class Measured(BaseMetric):
    """Notes the weights that are measured."""

    def __init__(self) -> None:
        super().__init__()
        self.model: Any = None
        self.seen: list[Tensor] = []

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list[int]) -> dict[str, float]:
        self.seen.append(self.model.linear.weight.detach().clone())
        return {"nothing": 0.0}


def cfg(folder: Path, **changes: Any) -> dict[str, Any]:
    pytest.importorskip("schedulefree")
    optimizer = {"type": "SGDScheduleFree", "lr": 0.1}
    return run_cfg(
        folder,
        optim_wrapper={"type": "OptimWrapper", "optimizer": optimizer},
        param_scheduler=None,
        **changes,
    )


def test_what_is_measured_saved_and_returned(tmp_path: Path) -> None:
    metric, weights = Measured(), Weights()
    runner = Runner(**cfg(tmp_path, val_evaluator=metric, custom_hooks=[weights]))
    metric.model = runner.model
    model: Any = runner.train()
    assert len(metric.seen) == 4
    for epoch, seen in enumerate(metric.seen, start=1):
        saved = torch.load(tmp_path / f"epoch_{epoch}.pth", weights_only=True)
        assert torch.equal(saved["state_dict"]["linear.weight"], seen)
        assert not saved["optimizer"]["param_groups"][0]["train_mode"]
        assert not torch.equal(weights.in_training[3 * epoch - 1], seen)
    assert torch.equal(model.linear.weight, metric.seen[-1])


@pytest.mark.parametrize("epochs", [1, 3])
def test_resumed_equals_unbroken(tmp_path: Path, epochs: int) -> None:
    whole = Runner(**cfg(tmp_path / "whole")).train()
    Runner(**cfg(tmp_path / "broken", train_cfg={"max_epochs": epochs})).train()
    resumed = Runner(**cfg(tmp_path / "broken", resume=True)).train()
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


@OPTIM_WRAPPERS.register_module()
class Settling(OptimWrapper):
    """Notes after how many losses it is asked to settle."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settled: list[int] = []

    def settle(self) -> None:
        super().settle()
        self.settled.append(self.inner_count)


def test_a_guard_is_heard_before_a_checkpoint_and_at_the_end(tmp_path: Path) -> None:
    wrapper = {"type": "Settling", "optimizer": {"type": "SGD", "lr": 0.1}}
    runner = Runner(**run_cfg(tmp_path, optim_wrapper=wrapper, param_scheduler=None))
    runner.train()
    assert runner.optim_wrapper.settled == [3, 6, 9, 12, 12]
