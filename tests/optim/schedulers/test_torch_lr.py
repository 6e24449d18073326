"""The schedules of torch behind the same interface."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from engine_optim import OptimWrapper, ScheduleError, StepLR, TorchLR
from engine_registry import PARAM_SCHEDULERS

KINDS: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 3},
    "MultiStepLR": {"milestones": [2, 5]},
    "ConstantLR": {"total_iters": 4},
    "LinearLR": {"total_iters": 4},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 7},
    "CosineAnnealingWarmRestarts": {"T_0": 3},
    "PolynomialLR": {"total_iters": 8},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 30},
    "LambdaLR": {"lr_lambda": lambda t: 1 / (1 + t)},
    "MultiplicativeLR": {"lr_lambda": lambda t: 0.9},
}


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3, momentum=0.9)


def rates(optimizer: torch.optim.Optimizer, schedule: Any, steps: int) -> list[float]:
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


@pytest.mark.parametrize("name", KINDS)
def test_as_in_torch(name: str) -> None:
    plain = sgd()
    expected = rates(plain, getattr(lr_scheduler, name)(plain, **KINDS[name]), 12)
    ours = sgd()
    schedule = TorchLR(OptimWrapper(ours), name, **KINDS[name])
    assert rates(ours, schedule, 12) == expected
    assert schedule.get_last_value() == [ours.param_groups[0]["lr"]]


@pytest.mark.parametrize("name", KINDS)
def test_resuming_changes_nothing(name: str) -> None:
    first = sgd()
    schedule = TorchLR(first, name, **KINDS[name])
    rates(first, schedule, 4)
    second = sgd()
    resumed = TorchLR(second, name, **KINDS[name])
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    assert rates(second, resumed, 5) == rates(first, schedule, 5)


def test_it_begins_at_its_range() -> None:
    optimizer = sgd()
    schedule = TorchLR(optimizer, "LinearLR", begin=2, end=6, start_factor=0.5, total_iters=2)
    expected = [0.3, 0.3, 0.15, 0.225, 0.3, 0.3, 0.3, 0.3]
    assert rates(optimizer, schedule, 8) == pytest.approx(expected)


def test_resuming_before_and_within_the_range() -> None:
    settings: dict[str, Any] = {"begin": 2, "start_factor": 0.5, "total_iters": 4}
    whole = sgd()
    expected = rates(whole, TorchLR(whole, "LinearLR", **settings), 8)
    for done in (1, 4):
        first = sgd()
        schedule = TorchLR(first, "LinearLR", **settings)
        rates(first, schedule, done)
        second = sgd()
        resumed = TorchLR(second, "LinearLR", **settings)
        second.load_state_dict(first.state_dict())
        resumed.load_state_dict(schedule.state_dict())
        assert rates(second, resumed, 8 - done) == expected[done:]


def test_plateau_takes_measurements() -> None:
    optimizer = sgd()
    schedule = TorchLR(optimizer, "ReduceLROnPlateau", monitor="acc", mode="max", patience=0)
    assert schedule.need_val_args
    schedule.step()
    schedule.step({"acc": 1.0})
    schedule.step({"acc": 1.0})
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.03)
    with pytest.raises(KeyError, match=r"watches 'acc', but the measurements are \['loss'\]"):
        schedule.step({"loss": 1.0})


def test_those_with_names_of_their_own_are_registered() -> None:
    schedule = PARAM_SCHEDULERS.build(
        {"type": "CosineAnnealingWarmRestarts", "optimizer": sgd(), "T_0": 3}
    )
    assert isinstance(schedule, TorchLR)
    assert isinstance(schedule.inner, lr_scheduler.CosineAnnealingWarmRestarts)
    for name in ("PolynomialLR", "CyclicLR", "MultiplicativeLR", "ReduceLROnPlateau"):
        assert PARAM_SCHEDULERS.get(name) is not None
    # ours keep their names
    assert PARAM_SCHEDULERS.get("StepLR") is StepLR


def test_a_class_is_taken_too() -> None:
    optimizer = sgd()
    TorchLR(optimizer, lr_scheduler.ExponentialLR, gamma=0.5).step()
    assert optimizer.param_groups[0]["lr"] == 0.15


def test_bad_settings() -> None:
    with pytest.raises(ScheduleError, match=r"no 'WavyLR'; it has .*'StepLR'"):
        TorchLR(sgd(), "WavyLR")
    with pytest.raises(ScheduleError, match="StepLR: missing a required argument: 'step_size'"):
        TorchLR(sgd(), "StepLR")
    with pytest.raises(ScheduleError, match="StepLR: got an unexpected keyword argument 'size'"):
        TorchLR(sgd(), "StepLR", step_size=1, size=2)
    with pytest.raises(ScheduleError, match="load_state_dict, not by last_step=3"):
        TorchLR(sgd(), "StepLR", step_size=1, last_step=3)
