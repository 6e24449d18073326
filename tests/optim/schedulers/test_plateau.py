"""The schedule that watches a measurement."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine_optim import ReduceOnPlateauLR, ReduceOnPlateauMomentum


def sgd(lr: float = 1.0, momentum: float = 0.5) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=momentum)


def after(losses: list[Any], **settings: Any) -> list[float]:
    optimizer = sgd()
    schedule = ReduceOnPlateauLR(optimizer, factor=0.5, **settings)
    values = []
    for loss in losses:
        schedule.step(None if loss is None else {"loss": loss})
        values.append(optimizer.param_groups[0]["lr"])
    return values


def test_patience() -> None:
    assert after([3, 2, 2, 2, 2, 1], patience=1) == [1, 1, 1, 0.5, 0.5, 0.5]


def test_without_a_measurement_nothing_happens() -> None:
    assert after([3, None, None, 3, 3], patience=1) == [1, 1, 1, 1, 0.5]


def test_cooldown() -> None:
    assert after([1, 1, 1, 1, 1], patience=0, cooldown=2) == [1, 0.5, 0.5, 0.5, 0.25]


def test_greater_is_better() -> None:
    assert after([1, 2, 1.5, 3], patience=0, rule="greater") == [1, 1, 0.5, 0.5]


@pytest.mark.parametrize(
    ("rule", "threshold_rule", "losses", "expected"),
    [
        ("less", "rel", [1, 0.95, 0.85], [1, 0.5, 0.5]),
        ("less", "abs", [2, 1.95, 1.85], [1, 0.5, 0.5]),
        ("greater", "rel", [1, 1.05, 1.2], [1, 0.5, 0.5]),
        ("greater", "abs", [1, 1.05, 1.15], [1, 0.5, 0.5]),
    ],
)
def test_thresholds(
    rule: str, threshold_rule: str, losses: list[float], expected: list[float]
) -> None:
    settings = {"rule": rule, "threshold_rule": threshold_rule, "threshold": 0.1, "patience": 0}
    assert after(losses, **settings) == expected


def test_the_least_value_and_eps() -> None:
    assert after([1] * 5, patience=0, min_value=0.3) == [1, 0.5, 0.3, 0.3, 0.3]
    assert after([1] * 4, patience=0, eps=0.3) == [1, 0.5, 0.5, 0.5]


def test_range_in_epochs() -> None:
    # an epoch ends with None, and what was measured of it follows; recorded with MMEngine 0.10.7
    steps = [None, 1, None, 1, None, 1, None, 1]
    assert after(steps, patience=0, begin=2, end=4) == [1, 1, 1, 1, 1, 0.5, 0.5, 0.5]


def test_tensors_are_measurements() -> None:
    assert after([torch.tensor(1.0), torch.tensor(1.0)], patience=0) == [1, 0.5]


def test_momentum() -> None:
    optimizer = sgd()
    schedule = ReduceOnPlateauMomentum(optimizer, monitor="acc", rule="greater", patience=0)
    for _ in range(2):
        schedule.step({"acc": 1.0})
    assert optimizer.param_groups[0]["momentum"] == pytest.approx(0.05)


def test_a_state_goes_on() -> None:
    first = sgd()
    schedule = ReduceOnPlateauLR(first, patience=1)
    schedule.step({"loss": 1})
    schedule.step({"loss": 1})
    second = sgd()
    resumed = ReduceOnPlateauLR(second, patience=1)
    resumed.load_state_dict(schedule.state_dict())
    resumed.step({"loss": 1})
    assert second.param_groups[0]["lr"] == pytest.approx(0.1)


def test_what_is_watched_must_be_measured() -> None:
    schedule = ReduceOnPlateauLR(sgd(), monitor="acc")
    before = schedule.state_dict()
    with pytest.raises(KeyError, match=r"watches 'acc', but the measurements are \['loss'\]"):
        schedule.step({"loss": 1})
    assert schedule.state_dict() == before
    with pytest.raises(TypeError, match="metrics type should be dict"):
        schedule.step(1.0)  # type: ignore[arg-type]  # what is tested
