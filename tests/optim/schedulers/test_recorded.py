"""Every schedule against the values that MMEngine 0.10.7 sets (recorded: schedules.json)."""

from __future__ import annotations

import json
from math import fsum
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_registry import PARAM_SCHEDULERS

CASES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "schedules.json").read_text()
)
STEPS = 1000


def optimizer_of(case: dict[str, Any]) -> torch.optim.Optimizer:
    first, second = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    if case["optimizer"] == "Adam":
        groups: list[dict[str, Any]] = [
            {"params": [first], "betas": (0.9, 0.99)},
            {"params": [second], "betas": (0.8, 0.999)},
        ]
        return torch.optim.Adam(groups)
    groups = [
        {"params": [first], "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
        {"params": [second], "lr": 0.02, "momentum": 0.8, "weight_decay": 0.05},
    ]
    return torch.optim.SGD(groups, lr=0.1)


def build(case: dict[str, Any], optimizer: Any) -> list[Any]:
    return [PARAM_SCHEDULERS.build({**cfg, "optimizer": optimizer}) for cfg in case["schedules"]]


def run(case: dict[str, Any], optimizer: Any, schedules: list[Any], steps: int) -> list[Any]:
    curve = []
    for _ in range(steps):
        curve.append([group[case["setting"]] for group in optimizer.param_groups])
        for schedule in schedules:
            schedule.step()
    return curve


@pytest.mark.parametrize("name", CASES)
def test_a_thousand_steps(name: str) -> None:
    case = CASES[name]
    optimizer = optimizer_of(case)
    curve = run(case, optimizer, build(case, optimizer), STEPS)
    for step, values in case["samples"].items():
        assert curve[int(step)] == pytest.approx(values, rel=0, abs=1e-12), step
    # the recorded sums hold the steps between the samples too
    sums = [fsum(values) for values in zip(*curve, strict=True)]
    assert sums == pytest.approx(case["sums"], rel=0, abs=1e-12 * STEPS)
    if case["optimizer"] == "Adam":
        betas = [group["betas"] for group in optimizer.param_groups]
        assert [pair[0] for pair in betas] == [g["momentum"] for g in optimizer.param_groups]
        assert [pair[1] for pair in betas] == [0.99, 0.999]


@pytest.mark.parametrize("name", CASES)
def test_resuming_in_the_middle_changes_nothing(name: str) -> None:
    case = CASES[name]
    whole = optimizer_of(case)
    expected = run(case, whole, build(case, whole), 400)

    first = optimizer_of(case)
    schedules = build(case, first)
    run(case, first, schedules, 217)
    saved = json.loads(json.dumps([schedule.state_dict() for schedule in schedules]))
    second = optimizer_of(case)
    resumed = build(case, second)
    second.load_state_dict(first.state_dict())
    for schedule, state in zip(resumed, saved, strict=True):
        schedule.load_state_dict(state)
    rest = run(case, second, resumed, 183)
    assert rest == [pytest.approx(values, abs=1e-15) for values in expected[217:]]
