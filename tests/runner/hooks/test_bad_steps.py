"""Which losses are bad, what follows from them, and which samples they are of."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine_runner.hooks.bad_samples import sample_indices
from engine_runner.hooks.bad_steps import Action, BadSteps
from engine_runner.hooks.rolling_loss import RollingLoss

NAN, INF = float("nan"), float("inf")


def judged(rolling: RollingLoss, losses: list[float]) -> list[bool]:
    return [bool(rolling.judge(torch.tensor(loss))) for loss in losses]


def test_without_a_bound_only_what_is_not_finite_is_bad() -> None:
    assert judged(RollingLoss(4), [1.0, 1e30, NAN, INF, -INF, 1.0]) == [
        False, False, True, True, True, False,
    ]  # fmt: skip


def test_a_spike_is_told_by_half_as_many_losses_as_are_remembered() -> None:
    calm = [1.0, 1.2, 0.8, 1.1, 0.9]
    assert judged(RollingLoss(8, 6.0), [*calm[:3], 100.0]) == [False] * 4
    assert judged(RollingLoss(8, 6.0), [*calm[:4], 100.0]) == [False] * 4 + [True]
    # lower is no spike
    assert judged(RollingLoss(8, 6.0), [*calm, -100.0])[-1] is False


def test_bad_losses_do_not_make_others_look_well() -> None:
    rolling = RollingLoss(8, 6.0)
    judged(rolling, [1.0, 1.2, 0.8, 1.1, 0.9, 1.0])
    assert judged(rolling, [100.0, NAN, 100.0, 1.0]) == [True, True, True, False]


def test_a_new_level_comes_by_the_losses_that_are_remembered() -> None:
    rolling = RollingLoss(4, 6.0)
    assert not any(judged(rolling, [1.0, 1.1, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8]))


def test_it_goes_on_from_its_state() -> None:
    one, other = RollingLoss(8, 6.0), RollingLoss(8, 6.0)
    judged(one, [1.0, 1.2, NAN, 0.8, 1.1, 0.9])
    other.load_state_dict(one.state_dict())
    assert judged(other, [100.0, 1.0]) == [True, False]
    shorter = RollingLoss(4, 6.0)
    shorter.load_state_dict(one.state_dict())  # which does not fit
    shorter.load_state_dict({"losses": "none"})
    assert judged(shorter, [100.0]) == [False]


@pytest.mark.parametrize("action", ["skip", "lower_lr", "rollback", "stop"])
def test_the_action_follows_from_any_bad_step(action: Action) -> None:
    steps = BadSteps(action)
    assert steps.decide([1, 2, 3], []) is None
    assert steps.decide([4, 5, 6], {5}) == action
    assert steps.total == 1


def test_a_row_of_bad_steps_ends_a_run_also_over_two_readings() -> None:
    steps = BadSteps("skip", max_in_row=4)
    assert steps.decide([1, 2, 3], {2, 3}) == "skip"
    assert steps.decide([4, 5, 6], {4, 6}) == "skip"
    assert steps.decide([7, 8, 9], {7, 8}) == "skip"
    resumed = BadSteps("skip", max_in_row=4)
    resumed.load_state_dict(steps.state_dict())
    assert resumed.decide([10, 11], {11}) == "skip"
    assert resumed.decide([12, 13, 14, 15], {12, 13, 14}) == "stop"


def test_rollbacks_have_an_end() -> None:
    steps = BadSteps("rollback", max_rollbacks=2)
    found = [steps.decide([n], {n}) for n in (1, 3, 5)]
    assert found == ["rollback", "rollback", "stop"]


class Sample:
    def __init__(self, number: int) -> None:
        self.sample_idx = number


@pytest.mark.parametrize(
    ("batch", "numbers"),
    [
        ({"inputs": 1, "sample_idx": [4, 5]}, [4, 5]),
        ({"idx": (4, 5)}, [4, 5]),
        ({"index": 4}, [4]),
        ({"inputs": 1, "data_samples": [Sample(4), Sample(5)]}, [4, 5]),
        ({"data_samples": [{"index": 7}]}, [7]),
        ({"data_samples": [Sample(4), object()]}, None),
        ({"inputs": 1}, None),
        ([1, 2], None),
    ],
)
def test_numbers_of_samples(batch: Any, numbers: Any) -> None:
    assert sample_indices(batch) == numbers


def test_a_tensor_of_numbers_is_not_read() -> None:
    numbers = torch.tensor([4, 5])
    assert sample_indices({"index": numbers}) is numbers
