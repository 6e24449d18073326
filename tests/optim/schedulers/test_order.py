"""A schedule that is stepped before its optimizer skips its first value, and says so."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

from engine_optim import AmpOptimWrapper, ExponentialLR, OptimWrapper
from tests.optim.wrappers.toys import net, sgd

TOO_EARLY = r"ExponentialLR\.step\(\) was called before the optimizer's first step"


def test_the_schedule_first() -> None:
    optimizer = sgd(net())
    schedule = ExponentialLR(optimizer, gamma=0.5)
    with pytest.warns(UserWarning, match=TOO_EARLY) as caught:
        schedule.step()
    assert caught[0].filename == __file__
    schedule.step()  # it is said once


def test_the_optimizer_first() -> None:
    optimizer = sgd(net())
    schedule = ExponentialLR(optimizer, gamma=0.5)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("kind", [OptimWrapper, AmpOptimWrapper])
def test_a_wrapper(kind: Any) -> None:
    model = net()
    wrapper = kind(optimizer=sgd(model))
    with pytest.warns(UserWarning, match=TOO_EARLY):
        ExponentialLR(wrapper, gamma=0.5).step()
    schedule = ExponentialLR(wrapper, gamma=0.5)
    with wrapper.optim_context(model):
        loss = model(torch.ones(2, 4)).mean()
    wrapper.update_params(loss)
    schedule.step()


@pytest.mark.parametrize("counts", [1, 4])
def test_a_loss_that_makes_no_step_yet_is_no_mistake(counts: int) -> None:
    # the others of an accumulation are waited for; a step that overflows is left out
    model = net()
    wrapper = OptimWrapper(sgd(model), accumulative_counts=counts, non_finite="skip")
    schedule = ExponentialLR(wrapper, gamma=0.5)
    wrapper.update_params(model(torch.ones(2, 4)).mean() * torch.inf)
    schedule.step()


def test_a_step_by_hand() -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model))
    schedule = ExponentialLR(wrapper, gamma=0.5)
    model(torch.ones(2, 4)).mean().backward()
    wrapper.step()
    schedule.step()


def test_a_copy_is_no_mistake() -> None:
    schedule = ExponentialLR(sgd(net()), gamma=0.5)
    for again in (pickle.loads(pickle.dumps(schedule)), copy.deepcopy(schedule)):
        again.step()
        assert again.get_last_value() == [0.025]


def test_a_resumed_schedule() -> None:
    optimizer = sgd(net())
    schedule = ExponentialLR(optimizer, gamma=0.5)
    optimizer.step()
    schedule.step()
    again = ExponentialLR(sgd(net()), gamma=0.5)
    again.load_state_dict(schedule.state_dict())
    again.step()  # the steps were another process's
