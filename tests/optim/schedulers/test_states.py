"""A state brings its settings with it, whatever those of the schedule that takes it up."""

from __future__ import annotations

from typing import Any

import pytest
import torch

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
