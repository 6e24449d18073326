"""Every schedule against its formula, at each of 1,000 steps."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sqrt
from typing import Any

import pytest
import torch

from engine_registry import PARAM_SCHEDULERS

STEPS = 1000
BASE = 0.1


def linear(t: int) -> float:
    return BASE * (0.01 + 0.99 * min(t, 499) / 499)


def wsd(shape: Callable[[float], float]) -> Callable[[int], float]:
    def value(t: int) -> float:
        if t < 100:
            return BASE * t / 100
        if t <= 699:
            return BASE
        return BASE * (0.1 + 0.9 * shape(min((t - 699) / 300, 1.0)))

    return value


def restart(t: int) -> float:
    begin, length, weight = [(0, 200, 1.0), (200, 300, 0.5), (500, 600, 0.25)][
        (t >= 200) + (t >= 500)
    ]
    return 0.001 + (BASE * weight - 0.001) * (1 + cos(pi * (t - begin) / length)) / 2


def one_cycle(t: int) -> float:
    rise = 0.3 * STEPS - 1
    low, high, last = 1.0 / 25, 1.0, 1.0 / 25 / 1e4
    if t <= rise:
        return high + (low - high) * (1 + cos(pi * t / rise)) / 2
    return last + (high - last) * (1 + cos(pi * (t - rise) / (STEPS - 1 - rise))) / 2


WSD = {"warmup": 100, "decay": 300, "end": STEPS, "end_factor": 0.1}
FORMS: dict[str, tuple[dict[str, Any], Callable[[int], float]]] = {
    "Constant": ({"factor": 0.2, "end": 501}, lambda t: BASE * (0.2 if t < 500 else 1)),
    "CosineAnnealing": (
        {"T_max": STEPS, "eta_min": 0.001},
        lambda t: 0.001 + (BASE - 0.001) * (1 + cos(pi * t / STEPS)) / 2,
    ),
    "CosineRestart": (
        {"periods": [200, 300, 600], "restart_weights": [1, 0.5, 0.25], "eta_min": 0.001},
        restart,
    ),
    "Exponential": ({"gamma": 0.995}, lambda t: BASE * 0.995**t),
    "Lambda": ({"lr_lambda": lambda t: 1 / (1 + t)}, lambda t: BASE / (1 + t)),
    "Linear": ({"start_factor": 0.01, "end": 500}, linear),
    "MultiStep": (
        {"milestones": [700, 300, 300], "gamma": 0.5},
        lambda t: BASE * (1 if t < 300 else 0.25 if t < 700 else 0.125),
    ),
    "OneCycle": ({"eta_max": 1.0, "total_steps": STEPS}, one_cycle),
    "Poly": (
        {"eta_min": 0.01, "power": 0.5, "end": STEPS},
        lambda t: 0.01 + (BASE - 0.01) * sqrt(1 - t / 999),
    ),
    "Step": ({"step_size": 70, "gamma": 0.9}, lambda t: BASE * 0.9 ** (t // 70)),
    "WSD linear": (WSD, wsd(lambda share: 1 - share)),
    "WSD cosine": ({**WSD, "decay_type": "cosine"}, wsd(lambda share: (1 + cos(pi * share)) / 2)),
    "WSD sqrt": ({**WSD, "decay_type": "sqrt"}, wsd(lambda share: 1 - sqrt(share))),
}
SETTINGS = {"LR": "lr", "Momentum": "momentum", "ParamScheduler": "weight_decay"}


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("form", FORMS)
def test_form(form: str, kind: str) -> None:
    name, setting = form.split()[0] + kind, SETTINGS[kind]
    if name in ("LambdaMomentum", "OneCycleMomentum"):  # no such names, in MMEngine neither
        assert PARAM_SCHEDULERS.get(name) is None
        return
    kwargs, expected = FORMS[form]
    if kind == "ParamScheduler":
        kwargs = {**kwargs, "param_name": setting}
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer: Any = torch.optim.SGD([parameter], lr=BASE, momentum=BASE, weight_decay=BASE)
    schedule = PARAM_SCHEDULERS.build({"type": name, "optimizer": optimizer, **kwargs})
    for step in range(STEPS):
        value = optimizer.param_groups[0][setting]
        assert value == pytest.approx(expected(step), rel=0, abs=1e-12), step
        assert schedule.get_last_value() == [value]
        schedule.step()
