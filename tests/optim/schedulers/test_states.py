"""A state brings its settings with it, whatever those of the schedule that takes it up."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine_optim.errors import ScheduleError
from engine_registry import PARAM_SCHEDULERS

STEPS = 4

# the settings of the saved schedule, and those of the one that goes on from it
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "OneCycleLR": (
        {"eta_max": 1.0, "total_steps": 12, "pct_start": 0.5, "anneal_strategy": "linear"},
        {"eta_max": 0.2, "total_steps": 9, "three_phase": True},
    ),
    "CosineAnnealingLR": ({"T_max": 8, "eta_min": 0.05}, {"T_max": 5, "eta_min": 0.0}),
    "PolyLR": ({"end": 9, "eta_min": 0.05}, {"end": 20, "eta_min": 0.01, "power": 2.0}),
    "CosineRestartLR": (
        {"periods": [3, 9], "restart_weights": [1, 0.5], "eta_min": 0.01},
        {"periods": [20], "eta_min": 0.0},
    ),
    "MultiStepLR": ({"milestones": [2, 6]}, {"milestones": [5], "gamma": 0.5}),
}


def made(kind: str, settings: dict[str, Any]) -> tuple[torch.optim.SGD, Any]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    return optimizer, PARAM_SCHEDULERS.build({"type": kind, "optimizer": optimizer, **settings})


def stepped(optimizer: torch.optim.SGD, schedule: Any) -> list[float]:
    values = []
    for _ in range(STEPS):
        optimizer.step()
        schedule.step()
        values.append(optimizer.param_groups[0]["lr"])
    return values


@pytest.mark.parametrize("kind", PAIRS)
def test_the_saved_settings_hold(kind: str) -> None:
    saved, mine = (made(kind, settings) for settings in PAIRS[kind])
    stepped(*saved)
    mine[0].load_state_dict(saved[0].state_dict())
    mine[1].load_state_dict(saved[1].state_dict())
    assert stepped(*mine) == stepped(*saved)


def as_mmengine_saves(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state as MMEngine 0.10.7 has it: without what is this engine's own."""
    own = ("_spans", "_floors", "_last_factor", "_ends", "anneal_strategy")
    kept = {key: value for key, value in state.items() if key not in own}
    if "_ends" in state:
        kept["anneal_func"] = f"_annealing_{state['anneal_strategy']}"
        kept["_schedule_phases"] = [{"end_step": end} for end in state["_ends"]]
    return kept


@pytest.mark.parametrize("kind", PAIRS)
def test_so_do_those_of_mmengine(kind: str) -> None:
    saved, mine = (made(kind, settings) for settings in PAIRS[kind])
    stepped(*saved)
    mine[0].load_state_dict(saved[0].state_dict())
    mine[1].load_state_dict(as_mmengine_saves(saved[1].state_dict()))
    assert stepped(*mine) == pytest.approx(stepped(*saved), rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ExponentialLR", {"gamma": 0.5}),
        ("StepLR", {"step_size": 3, "gamma": 0.5}),
        ("MultiStepLR", {"milestones": [2, 5], "gamma": 0.5}),
        ("CosineAnnealingLR", {"T_max": 9}),
        ("CosineRestartLR", {"periods": [3, 4], "restart_weights": [1, 1], "eta_min": 0}),
        ("LambdaLR", {"lr_lambda": lambda step: 1 / (step + 1)}),
    ],
)
@pytest.mark.parametrize("done", [2, 4, 6])
def test_one_that_is_made_longer_is_one_that_was(
    kind: str, settings: dict[str, Any], done: int
) -> None:
    def rates(end: int, extended: int = 0) -> list[float]:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = PARAM_SCHEDULERS.build(
            {"type": kind, "optimizer": optimizer, "end": end, **settings}
        )
        found = []
        for step in range(8):
            if extended and step == done:
                assert schedule.runs_on
                schedule.extend(extended)
            optimizer.step()
            found.append(optimizer.param_groups[0]["lr"])
            schedule.step()
        return found

    assert rates(4, extended=8)[done:] == rates(8)[done:]


def test_a_schedule_that_is_reckoned_from_its_end_says_so() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    for settings in (
        {"type": "PolyLR"}, {"type": "LinearLR"}, {"type": "CosineAnnealingLR"},
        {"type": "OneCycleLR", "eta_max": 2.0}, {"type": "WSDLR", "warmup": 1, "decay": 1},
    ):  # fmt: skip
        assert not PARAM_SCHEDULERS.build({**settings, "optimizer": optimizer, "end": 4}).runs_on
    with pytest.raises(ScheduleError, match="end=3 is not later than the end of now, 4"):
        PARAM_SCHEDULERS.build(
            {"type": "ExponentialLR", "gamma": 0.5, "optimizer": optimizer, "end": 4}
        ).extend(3)
