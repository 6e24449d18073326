"""A training that was checked is the training that was not."""

from __future__ import annotations

import functools
import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine_config import Config
from engine_registry import DATASETS, MODELS
from engine_runner.checks.apart import Generators, apart, state_of
from engine_runner.checks.before_start import examine
from engine_runner.cli import main
from engine_runner.model import BaseModel
from tests.runner.toys import ToyData, run_cfg

READ: list[str] = []


@DATASETS.register_module()
class CountedData(ToyData):
    """Notes how often it is made."""

    def __init__(self, name: str = "counted") -> None:
        READ.append(name)
        super().__init__()


@DATASETS.register_module()
class DrawnData(CountedData):
    """Draws its points as it is made."""

    def __init__(self) -> None:
        super().__init__("drawn")
        self.points = self.points + torch.randn(2) + np.random.rand() + random.random()  # noqa: NPY002  # as user code does


@DATASETS.register_module()
class MovedData(CountedData):
    """Draws with each sample, from a generator of its own, and remembers how many there were."""

    def __init__(self) -> None:
        super().__init__("moved")
        self.own = np.random.default_rng(0)
        self.given = 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.given += 1
        sample = super().__getitem__(index)
        return {**sample, "inputs": sample["inputs"] + float(self.own.random()) + self.given / 99}


@functools.lru_cache
def shift(width: int) -> Tensor:
    return torch.arange(width) / 100.0


@MODELS.register_module()
class CachedModel(BaseModel):
    """Draws its first weights, drops some, and computes once what it adds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.start = float(np.random.rand())  # noqa: NPY002  # as user code does
        shift(2)

    def forward(  # type: ignore[override]  # a batch names its entries
        self, inputs: Tensor, heights: Tensor, index: Tensor, mode: str = "tensor"
    ) -> Any:
        out = self.linear(nn.functional.dropout(inputs, 0.3) + shift(2)) + self.start
        if mode == "loss":
            return {"loss": (out - heights).square().mean()}
        return [{"error": float(one)} for one in (out - heights).square()]


def trained(folder: Path, data: str, *more: str) -> dict[str, Any]:
    """Train by the command, and return the state of the last checkpoint."""
    loader = dict(run_cfg(folder)["train_dataloader"], dataset={"type": data}, num_workers=0)
    cfg = run_cfg(
        folder / "run", model={"type": "CachedModel"}, train_dataloader=loader,
        val_dataloader=dict(loader, sampler={"type": "DefaultSampler", "shuffle": False}),
        train_cfg={"max_epochs": 2},
    )  # fmt: skip
    folder.mkdir()
    file = folder / "c.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in cfg.items()))
    shift.cache_clear()
    READ.clear()
    assert main(["train", str(file), *more]) == 0
    state: dict[str, Any] = torch.load(folder / "run" / "epoch_2.pth", weights_only=True)
    return state


@pytest.mark.parametrize(
    ("data", "made"), [("CountedData", 2), ("DrawnData", 4), ("MovedData", 4)]
)
def test_the_same_to_the_last_bit(tmp_path: Path, data: str, made: int) -> None:
    without = trained(tmp_path / "without", data, "--no-check")
    assert len(READ) == 2
    checked = trained(tmp_path / "checked", data)
    # what drew as it was made, or was changed by reading a sample, is made again
    assert len(READ) == made
    for part in ("state_dict", "optimizer", "message_hub", "param_schedulers"):
        mine, other = _flat(checked[part]), _flat(without[part])
        own = {key: value for key, value in mine.items() if not _is_time(key)}
        assert own.keys() == {key for key in other if not _is_time(key)}
        for key, value in own.items():
            assert torch.equal(value, other[key]) if isinstance(value, Tensor) else (
                value == other[key] or "cfg" in key or "name" in key
            ), key  # fmt: skip


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, (list, tuple)):
        pairs = list(enumerate(value))
    else:
        return {path: value}
    return {k: v for key, one in pairs for k, v in _flat(one, f"{path}.{key}").items()}


def _is_time(key: str) -> bool:
    return any(part in key for part in ("time", "memory", "eta", "last_ckpt"))


def test_generators_are_put_back_and_known_to_have_moved() -> None:
    for draw in (random.random, np.random.rand, lambda: torch.rand(1)):
        generators = Generators()
        assert not generators.were_drawn_from()
        with apart():
            draw()
            assert generators.were_drawn_from()
        assert not generators.were_drawn_from()


def test_what_is_said_in_a_trial_goes_to_no_handler_of_last_resort(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with apart():
        logging.getLogger("engine.runner").warning("once is enough")
    assert "once is enough" not in capsys.readouterr().err
    assert not [h for h in logging.getLogger("engine").handlers if type(h) is logging.NullHandler]


class Deep:
    """Something with things in it."""

    def __init__(self) -> None:
        self.inner = {"rng": np.random.default_rng(0), "seen": [1], "weights": torch.zeros(2)}
        self.myself = self


@pytest.mark.parametrize(
    "change",
    [
        lambda deep: deep.inner["rng"].random(),
        lambda deep: deep.inner["seen"].append(2),
        lambda deep: deep.inner["weights"].add_(1),
        lambda deep: setattr(deep, "more", 1),
        lambda deep: deep.inner["seen"].__setitem__(0, 5),
    ],
    ids=["generator", "length", "tensor", "attribute", "number"],
)
def test_a_change_of_state_is_seen(change: Any) -> None:
    deep = Deep()
    before = state_of(deep)
    assert before is not None
    assert before == state_of(deep)
    change(deep)
    assert before != state_of(deep)


def test_what_is_too_much_to_look_at_is_not_known() -> None:
    assert state_of([[list(range(60)) for _ in range(60)] for _ in range(60)]) is None


def test_nothing_is_written(tmp_path: Path) -> None:
    cfg = Config(run_cfg(tmp_path / "deep" / "run"))
    assert not examine(cfg, new=True).faults
    assert list(tmp_path.iterdir()) == []
