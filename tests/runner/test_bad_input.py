"""What a run is given that it cannot use: each has one clear outcome."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist.wrappers import LossError
from engine_registry import VISBACKENDS
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.visualization import LocalVisBackend
from tests.runner.toys import ToyModel, run_cfg


class Returning(ToyModel):
    """Returns something in place of its losses."""

    def __init__(self, returned: Any) -> None:
        super().__init__()
        self.returned = returned

    def forward(self, *args: Any, mode: str = "tensor", **kwargs: Any) -> Any:
        return self.returned


ONE = torch.ones(1, requires_grad=True)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, r"must return a dict of losses by name, got NoneType; return \{'loss': value\}"),
        (3.0, "got float"),
        ([ONE], "got list"),
        ("low", "got str"),
        ({}, r"no entry of the losses has 'loss' in its name \(got none\)"),
        ({"acc": ONE}, r"has 'loss' in its name \(got acc\)"),
        ({"loss": "low"}, "loss 'loss' must be a tensor or a non-empty list of tensors, got str"),
        ({"loss": 2.0}, "got float"),
        ({"loss": [ONE, 1]}, "got list"),
        ({1: ONE}, r"losses have names, got 1 as one; return \{'loss': value\}"),
    ],
)
def test_what_is_no_loss(tmp_path: Path, returned: Any, said: str) -> None:
    with pytest.raises(LossError, match=said):
        Runner(**run_cfg(tmp_path, model=Returning(returned))).train()


def test_counts_beside_a_loss_are_averaged(tmp_path: Path) -> None:
    class Counting(ToyModel):
        def forward(self, *args: Any, mode: str = "tensor", **kwargs: Any) -> Any:
            out = super().forward(*args, **kwargs, mode=mode)  # type: ignore[misc]  # a batch names its entries
            return {**out, "hits": torch.tensor([1, 2])} if mode == "loss" else out

    runner = Runner(**run_cfg(tmp_path, model=Counting()))
    runner.train()
    assert runner.message_hub.get_scalar("train/hits").current() == 1.5


def test_a_runner_without_the_whole_configuration(tmp_path: Path) -> None:
    parameters = run_cfg(tmp_path, train_cfg={"max_epochs": 1})
    runner = Runner(**parameters)
    runner.train()
    # there is none to be written, and none in the checkpoint; a run goes on without it
    assert not list(tmp_path.glob("*.py"))
    assert torch.load(tmp_path / "epoch_1.pth", weights_only=True)["meta"]["cfg"] == ""
    again = Runner(**{**parameters, "train_cfg": {"max_epochs": 2}}, resume=True)
    again.train()
    assert again.epoch == 2


@VISBACKENDS.register_module()
class Refusing(LocalVisBackend):
    """Takes no scalar at first."""

    refusals = 4
    asked = 0

    def add_scalars(self, *args: Any, **kwargs: Any) -> None:
        type(self).asked += 1
        if self.asked <= self.refusals:
            raise ConnectionError("the tracker does not answer")
        super().add_scalars(*args, **kwargs)


class Lines(Hook):
    """Keeps what the library logs in a run."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.handler = logging.Handler()
        self.lines: list[str] = []
        self.handler.emit = lambda record: self.lines.append(record.getMessage())  # type: ignore[method-assign]  # a short way

    def before_run(self, runner: RunnerLike) -> None:
        logging.getLogger("engine.runner").addHandler(self.handler)

    def after_run(self, runner: RunnerLike) -> None:
        logging.getLogger("engine.runner").removeHandler(self.handler)


def test_a_logger_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Refusing, "asked", 0)
    lines = Lines()
    visualizer = {
        "type": "Visualizer", "save_dir": str(tmp_path),
        "vis_backends": [{"type": "Refusing"}, {"type": "LocalVisBackend"}],
    }  # fmt: skip
    runner = Runner(
        **run_cfg(tmp_path, visualizer=visualizer, custom_hooks=[lines], log_level="WARNING")
    )
    runner.train()
    assert runner.iter == 12  # isolated
    assert Refusing.asked > Refusing.refusals  # asked again
    assert sum("the tracker does not answer" in line for line in lines.lines) == 1  # told once
