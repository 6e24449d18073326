"""Groups that share one value, which takes a short way, go as each of them would alone."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_registry import PARAM_SCHEDULERS

SCHEDULES: list[dict[str, Any]] = [
    {"type": "LinearLR", "start_factor": 0.25, "end_factor": 0.5, "end": 9},
    {"type": "LinearLR", "start_factor": 0.0, "end": 6},
    {"type": "CosineAnnealingLR", "T_max": 4, "eta_min_ratio": 0.1},
    {"type": "PolyLR", "eta_min": 0.01, "end": 7, "begin": 2},
    {"type": "StepLR", "step_size": 3},
]


def optimizer_of(rates: list[float]) -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    optimizer.step()
    return optimizer


def resumed(schedule: Any, cfg: dict[str, Any]) -> Any:
    """Return a schedule that goes on from the state of another, as from a checkpoint."""
    optimizer = schedule.optimizer
    state = pickle.loads(pickle.dumps((optimizer.state_dict(), schedule.state_dict())))
    other = optimizer_of([group["initial_lr"] for group in optimizer.param_groups])
    made = PARAM_SCHEDULERS.build({**cfg, "optimizer": other})
    other.load_state_dict(state[0])
    made.load_state_dict(state[1])
    other.step()
    return made


def go(rates: list[float], cfg: dict[str, Any], actions: list[Any]) -> list[list[float]]:
    schedule = PARAM_SCHEDULERS.build({**cfg, "optimizer": optimizer_of(rates)})
    seen = []
    for action in actions:
        if action == "resume":
            schedule = resumed(schedule, cfg)
        elif action != "step":
            for group, factor in zip(schedule.optimizer.param_groups, action, strict=False):
                group["lr"] *= factor
        schedule.step()
        seen.append([group["lr"] for group in schedule.optimizer.param_groups])
    return seen


@settings(max_examples=60, deadline=None)
@given(
    cfg=st.sampled_from(SCHEDULES),
    rates=st.lists(st.sampled_from([0.1, 0.1, 0.1, 0.2]), min_size=1, max_size=4),
    actions=st.lists(
        st.sampled_from(["step", "step", "step", "resume"])
        | st.lists(st.sampled_from([1.0, 1.0, 0.5]), min_size=4, max_size=4),
        max_size=12,
    ),
)
@pytest.mark.filterwarnings("ignore:.*before the optimizer's first step")
def test_as_alone(cfg: dict[str, Any], rates: list[float], actions: list[Any]) -> None:
    together = go(rates, cfg, actions)
    for index, rate in enumerate(rates):
        own = [[a[index]] if isinstance(a, list) else a for a in copy.deepcopy(actions)]
        alone = go([rate], cfg, own)
        assert [values[index] for values in together] == pytest.approx(
            [value for (value,) in alone], rel=1e-9, abs=1e-12
        )


def test_a_group_that_is_added() -> None:
    optimizer = optimizer_of([0.1, 0.1])
    schedule = PARAM_SCHEDULERS.build({**SCHEDULES[0], "optimizer": optimizer})
    schedule.step()
    now = optimizer.param_groups[0]["lr"]
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": now})
    schedule.step()
    assert len({group["lr"] for group in optimizer.param_groups}) == 1
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": now * 4})
    before = [group["lr"] for group in optimizer.param_groups]
    schedule.step()
    after = [group["lr"] for group in optimizer.param_groups]
    assert schedule.get_last_value() == after
    ratios = [new / old for new, old in zip(after, before, strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 4)
    assert ratios[0] > 1


@pytest.mark.parametrize("rates", [[0.4, 0.4], [0.4, 0.8]])
def test_after_a_factor_of_0_all_begins_anew(rates: list[float]) -> None:
    # a value of 0 does not say what somebody had made of the one before, in MMEngine neither
    optimizer = optimizer_of(rates)
    schedule = PARAM_SCHEDULERS.build(
        {"type": "CosineAnnealingLR", "T_max": 2, "optimizer": optimizer}
    )
    schedule.step()
    for group in optimizer.param_groups:
        group["lr"] /= 2
    seen = []
    for _ in range(3):
        schedule.step()
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([0, 0.2, 0.4])
