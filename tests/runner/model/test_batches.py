"""A model of one's own, and batches that have more, less or other than it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from engine_dist.wrappers import BatchError
from engine_runner import Runner
from tests.runner.cli.commands import refusal

OWN = """
from torch import nn
from engine_dataset import BaseDataset
from engine_registry import DATASETS, MODELS
from engine_runner.model import BaseModel
import torch

@DATASETS.register_module()
class OwnData(BaseDataset):
    def load_data_list(self):
        return [{"inputs": torch.ones(2), "label": torch.ones(1)} for _ in range(8)]

class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.seen = []

    def losses(self, inputs, label):
        return {"loss": (self.linear(inputs) - label).square().mean()}

@MODELS.register_module()
class OwnModel(BaseModel, Line):
    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.linear = nn.Linear(2, 1)

    def forward(self, inputs, label, mode):
        return self.losses(inputs, label)

@MODELS.register_module()
class OwnModule(Line):
    def forward(self, inputs, label, mode):
        return self.losses(inputs, label)
"""
CONFIG = """
custom_imports = dict(imports=['own'])
model = dict(type='OwnModel')
train_dataloader = dict(
    batch_size=4, dataset=dict(type='OwnData'), collate_fn=dict(type='default_collate'))
train_cfg = dict(max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a data set, two models and a configuration of one's own."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "config.py").write_text(CONFIG)
    return tmp_path


def test_a_key_that_the_model_does_not_take(folder: Path) -> None:
    told = refusal(folder, "train", "config.py")
    assert (
        "OwnModel.forward takes no 'sample_idx', which the batch has (it has inputs, label, "
        "sample_idx); forward takes inputs, label, mode. Let it take **others"
    ) in told
    assert told.count("\n") == 2


def test_a_key_of_the_validation_alone(folder: Path) -> None:
    more = (
        "@DATASETS.register_module()\nclass Bare(OwnData):\n"
        "    def __getitem__(self, i):\n        return {'inputs': torch.ones(2)}\n"
    )
    (folder / "own.py").write_text(f"{OWN}\n{more}")
    val = (
        "model['type'] = 'OwnModule'\nval_evaluator = dict(type='Accuracy')\n"
        "val_dataloader = dict(train_dataloader, dataset=dict(type='Bare'))\n"
    )
    (folder / "config.py").write_text(CONFIG + val)
    told = refusal(folder, "train", "config.py")
    assert "OwnModule.forward needs 'label', which the batch has" in told
    assert "val_dataloader" in told


def test_no_collate_fn(folder: Path) -> None:
    given = ["~train_dataloader.collate_fn", "model.type=OwnModule"]
    told = refusal(folder, "train", "config.py", "--cfg-options", *given)
    assert "OwnModule.forward failed with TypeError: linear()" in told
    assert "own.py:" in told
    assert "'inputs' of its batch is a list of 4 tensors, not one: pseudo_collate" in told
    assert "set collate_fn=dict(type='default_collate') in the data loader" in told
    assert told.count("\n") == 3


class Asks(nn.Module):
    """A module that knows nothing of the engine."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x: torch.Tensor, mode: str = "loss") -> Any:
        return {"loss": self.linear(x).mean()}


def run(model: nn.Module, work_dir: Path, **point: Any) -> Runner:
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=DataLoader([point] * 4, batch_size=2),  # type: ignore[arg-type]  # a list is a data set to torch
        train_cfg={"max_epochs": 1},
        optim_wrapper=torch.optim.SGD(model.parameters(), lr=0.1),
        log_level="ERROR",
    )
    runner.train()
    return runner


def test_a_plain_module_gets_what_it_asks_for(tmp_path: Path) -> None:
    x = torch.ones(2)
    assert run(Asks(), tmp_path / "a", x=x, sample_idx=1, y=x).iter == 2
    with pytest.raises(BatchError, match=r"^Asks.forward needs 'x', .*\(it has xs, sample_idx\)"):
        run(Asks(), tmp_path / "b", xs=x, sample_idx=1)


def test_one_that_takes_all_gets_all(tmp_path: Path) -> None:
    class All(Asks):
        def forward(self, x: torch.Tensor, mode: str = "loss", **others: Any) -> Any:
            assert sorted(others) == ["sample_idx", "y"]
            return super().forward(x)

    run(All(), tmp_path, x=torch.ones(2), sample_idx=1, y=2)
