"""Of a checkpoint that does not fit, all differences are told at once, and nothing is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_dist.checkpoint.matching import compare
from engine_optim import OptimWrapper, OptimWrapperDict, StateMismatchError
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.state.check import ResumeError
from tests.runner.test_resume_damaged import parts, same
from tests.runner.toys import run_cfg

GROUPS = {"custom_keys": {"bias": {"lr_mult": 2.0}}}


def refusal(folder: Path, **changes: Any) -> str:
    """Resume a run of the toy with something changed, in vain; return what is said."""
    runner = Runner(**run_cfg(folder, resume="auto", **changes))
    runner.set_up_training()
    before = parts(runner)
    with pytest.raises(ResumeError) as caught:
        runner.load_or_resume()
    assert same(parts(runner), before)
    return str(caught.value)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Runner(**run_cfg(tmp_path, train_cfg={"max_epochs": 1})).train()
    return tmp_path


def test_model_optimizer_and_schedule(saved: Path) -> None:
    said = refusal(
        saved, model={"type": "ToyModel", "width": 2},
        optim_wrapper={"optimizer": {"type": "AdamW", "lr": 0.1}, "paramwise_cfg": GROUPS},
        param_scheduler=[{"type": "ExponentialLR", "gamma": 0.9}] * 2,
    )  # fmt: skip
    head, *rest = said.splitlines()
    assert head.endswith(
        "epoch_1.pth cannot be resumed from: 3 things of it do not fit this run, and nothing was loaded"
    )
    text = "\n".join(rest)
    assert "- the model: 0 of 2 entries of ToyModel loaded" in text
    assert "linear.weight  mismatched  (1, 2)      (2, 2)" in text
    assert "linear.bias    mismatched  (1,)        (2,)" in text
    assert "has 1 parameter groups with 2 parameters, this optimizer has 2" in text
    assert "of another optimizer than AdamW, which needs betas" in text
    assert "it holds 1 parameter schedulers and this run has 2" in text


def test_one_difference_is_one_line(saved: Path) -> None:
    said = refusal(saved, param_scheduler=None)
    assert len(said.splitlines()) == 1
    assert said.endswith("the run was started with; nothing was loaded")


def test_of_the_model_alone(saved: Path) -> None:
    said = refusal(saved, model={"type": "ToyModel", "width": 2})
    # the momenta are of that model too
    assert "2 things of it do not fit" in said
    assert "momentum_buffer of parameter 0 has the shape (1, 2), and here the parameter h" in said


class Renames(Hook):
    """Makes a checkpoint of older names fit."""

    def after_load_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
        weights = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name.replace("old.", ""): v for name, v in weights.items()}


def test_a_hook_may_make_it_fit(saved: Path) -> None:
    state = torch.load(saved / "epoch_1.pth", weights_only=True)
    state["state_dict"] = {f"old.{name}": value for name, value in state["state_dict"].items()}
    torch.save(state, saved / "old.pth")
    file = str(saved / "old.pth")
    runner = Runner(**run_cfg(saved / "a", resume=file, custom_hooks=[Renames()]))
    runner.train()
    assert runner.iter == 12
    with pytest.raises(ResumeError, match=r"linear\.weight +missing[\s\S]*old\.linear"):
        Runner(**run_cfg(saved / "b", resume=file)).train()


def wrapper(kind: type[torch.optim.Optimizer], *sizes: int) -> OptimWrapper:
    nets = [nn.Linear(size, 1) for size in sizes]
    made = OptimWrapper(kind([p for net in nets for p in net.parameters()], lr=0.1))  # type: ignore[call-arg]  # of all
    for net in nets:
        net(torch.ones(1, net.in_features)).sum().backward()
    made.optimizer.step()
    return made


def test_every_optimizer_of_several() -> None:
    saved = OptimWrapperDict(a=wrapper(torch.optim.Adam, 2), b=wrapper(torch.optim.Adam, 2, 3))
    other = OptimWrapperDict(a=wrapper(torch.optim.SGD, 2), b=wrapper(torch.optim.Adam, 4, 5))
    with pytest.raises(StateMismatchError) as caught:
        other.check_state_dict(saved.state_dict())
    said = str(caught.value)
    assert "of another optimizer than SGD" in said
    for shapes in ("(1, 2), and here the parameter has (1, 4)", "(1, 3), and here the parameter"):
        assert shapes in said
    assert said.count("nothing was loaded") == 1


def test_what_only_loading_can_tell() -> None:
    class Renaming(nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
            state_dict[f"{prefix}weight"] = state_dict.pop(f"{prefix}kernel")
            super()._load_from_state_dict(state_dict, prefix, *args)

    assert compare(nn.Sequential(Renaming(2, 1)), {"0.kernel": torch.ones(1, 2)}) is None
    report = compare(nn.BatchNorm1d(2), {"weight": torch.ones(3), "odd": torch.ones(1)})
    assert report is not None
    assert report.missing == ("bias", "running_mean", "running_var")
    assert report.unexpected == ("odd",)
    assert report.mismatched == {"weight": ("(3,)", "(2,)")}
