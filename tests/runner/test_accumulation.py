"""What a run counts where several iterations make one step: iterations, as MMEngine does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from engine_runner import Runner
from engine_runner.hooks import Hook
from engine_runner.model import BaseModel
from tests.optim.wrappers.test_accumulation import CASES, iterations


class Weight(BaseModel):
    """One weight; the gradient of the loss is what a batch says."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, torch.Tensor]:
        with optim_wrapper.optim_context(self):
            loss = self.weight * data.sum()
        optim_wrapper.update_params(loss)
        return {"loss": loss.detach()}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class Note(Hook):
    """Keep the weight and the learning rate of every iteration."""

    def __init__(self) -> None:
        self.weights: list[float] = []
        self.rates: list[float] = []

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        self.weights.append(runner.model.weight.item())
        self.rates.append(runner.optim_wrapper.optimizer.param_groups[0]["lr"])


def a_run(case: dict[str, Any], folder: Path, **changes: Any) -> Note:
    note = Note()
    batches: Any = [2.0**i for i in range(case["length"])]
    Runner(
        Weight(),
        str(folder),
        train_dataloader=DataLoader(batches),
        train_cfg={"by_epoch": "max_epochs" in case["train_cfg"], **case["train_cfg"]},
        optim_wrapper={
            "optimizer": {"type": "SGD", "lr": 1.0},
            "accumulative_counts": case["counts"],
        },
        param_scheduler={
            "type": "LinearLR", "start_factor": 1.0, "end_factor": 0.5,
            "end": iterations(case), "by_epoch": False,
        },
        custom_hooks=[note],
        log_level="ERROR",
        **changes,
    ).train()  # fmt: skip
    return note


@pytest.mark.parametrize("name", ["ten by four", "two epochs of five by four"])
def test_steps_and_schedules(name: str, tmp_path: Path) -> None:
    found = a_run(CASES[name], tmp_path)
    assert found.weights == pytest.approx(CASES[name]["weights"], rel=1e-12)
    assert found.rates == pytest.approx(CASES[name]["rates"], rel=1e-12)
    assert found.rates[-1] == 0.5


def test_intervals(tmp_path: Path) -> None:
    hook = {"type": "CheckpointHook", "interval": 3, "by_epoch": False, "save_last": False}
    a_run(CASES["ten by four"], tmp_path, default_hooks={"checkpoint": hook})
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == [
        "iter_3.pth",
        "iter_6.pth",
        "iter_9.pth",
    ]
