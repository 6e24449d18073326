"""A saved optimizer state whose step would fail is refused when it is loaded, and nothing changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_optim import OptimWrapper, StateMismatchError

ELEMENTWISE = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "AdamW",
    "ASGD",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
]


def stepped(kind: str, *sizes: int, **settings: Any) -> OptimWrapper:
    parameters = [nn.Parameter(torch.ones(size, size)) for size in sizes or (2, 3)]
    wrapper = OptimWrapper(getattr(torch.optim, kind)(parameters, lr=0.1, **settings))
    step(wrapper)
    return wrapper


def step(wrapper: OptimWrapper) -> None:
    members = wrapper.optimizer.param_groups[0]["params"]
    wrapper.update_params(torch.stack([one.square().sum() for one in members]).sum())


def refused(wrapper: OptimWrapper, state: Any, said: str) -> None:
    before = copy.deepcopy(wrapper.state_dict())
    with pytest.raises(StateMismatchError, match=f"{said}.*nothing was loaded"):
        wrapper.load_state_dict(state)
    after = wrapper.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert str(after["state"]) == str(before["state"])


@pytest.mark.parametrize("before", ["Adam", "AdamW", "NAdam", "RAdam"])
def test_other_moments_under_the_same_settings(before: str) -> None:
    said = "of another optimizer than Adamax, which needs exp_inf: saved are .*exp_avg_sq"
    refused(stepped("Adamax"), stepped(before).state_dict(), said)


@pytest.mark.parametrize("after", ["Adam", "AdamW"])
def test_moments_of_adamax(after: str) -> None:
    said = f"another optimizer than {after}, which needs exp_avg_sq: saved are .*exp_inf"
    refused(stepped(after), stepped("Adamax").state_dict(), said)


@pytest.mark.parametrize("before", ELEMENTWISE)
@pytest.mark.parametrize("after", ELEMENTWISE)
def test_what_loads_can_step(before: str, after: str) -> None:
    wrapper = stepped(after)
    try:
        wrapper.load_state_dict(stepped(before).state_dict())
    except StateMismatchError:
        assert before != after
    step(wrapper)


def test_parameters_in_another_order() -> None:
    said = r"another model: momentum_buffer of parameter 0 has the shape \(3, 3\).* has \(2, 2\)"
    refused(
        stepped("SGD", 2, 3, momentum=0.9), stepped("SGD", 3, 2, momentum=0.9).state_dict(), said
    )


@pytest.mark.parametrize("wrong", ["x", [1.0], {}])
def test_a_moment_that_is_no_tensor(wrong: Any) -> None:
    wrapper = stepped("SGD", momentum=0.9)
    state = copy.deepcopy(wrapper.state_dict())
    state["state"][1]["momentum_buffer"] = wrong
    refused(wrapper, state, "momentum_buffer of parameter 1 is")


def test_what_was_frozen_has_gathered_nothing() -> None:
    wrapper = stepped("Adam")
    state = copy.deepcopy(wrapper.state_dict())
    del state["state"][0]
    wrapper.load_state_dict(state)
    step(wrapper)


def test_optimizers_that_keep_other_shapes() -> None:
    for kind in ("LBFGS", "Adafactor"):
        parameter = nn.Parameter(torch.ones(3, 3))
        optimizer = getattr(torch.optim, kind)([parameter])

        def loss(optimizer: Any = optimizer, parameter: Tensor = parameter) -> Tensor:
            optimizer.zero_grad()
            value = parameter.square().sum()
            value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            return value

        optimizer.step(loss)
        OptimWrapper(optimizer).load_state_dict(copy.deepcopy(optimizer.state_dict()))
