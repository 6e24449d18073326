"""An average looks its model's tensors up once, and sees what is put in their place since."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from engine_optim import ExponentialMovingAverage, OptimError
from tests.optim.test_averaging import Net, Tied, fill

Change = Callable[[Any, Any], None]  # of the model and of its average


def tensors(model: nn.Module) -> list[Tensor]:
    return [t.detach().double().clone() for t in [*model.parameters(), *model.buffers()]]


def by_hand(before: list[Tensor], model: nn.Module, momentum: float) -> list[Tensor]:
    """Return what of a model's tensors becomes of an average: buffers are copied."""
    weights = len(list(model.parameters()))
    return [
        old + momentum * (new - old) if index < weights else new
        for index, (old, new) in enumerate(zip(before, tensors(model), strict=True))
    ]


def to_double(model: Any, averaged: Any) -> None:
    model.double()


def average_to_double(model: Any, averaged: Any) -> None:
    averaged.double()


def to_bfloat16_and_back(model: Any, averaged: Any) -> None:
    model.bfloat16().float()


def overwriting_conversion(model: Any, averaged: Any) -> None:
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        model.double()
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


def assigned(model: Any, averaged: Any) -> None:
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(state, assign=True)


def assigned_to_the_average(model: Any, averaged: Any) -> None:
    state = {name: value.clone() for name, value in averaged.state_dict().items()}
    averaged.load_state_dict(state, assign=True)


def data_of_one(model: Any, averaged: Any) -> None:
    model.linear.weight.data = torch.zeros(5, 3, dtype=torch.float64)


def another_parameter(model: Any, averaged: Any) -> None:
    model.linear.bias = nn.Parameter(torch.zeros(5))


def another_layer(model: Any, averaged: Any) -> None:
    model.linear = nn.Linear(3, 5)


def layers_added(model: Any, averaged: Any) -> None:
    for one in (model, averaged.module):
        one.more = nn.Linear(2, 2)
        one.norm.register_parameter("scale", nn.Parameter(torch.ones(2)))
        one.register_buffer("seen", torch.ones(1))


def one_removed(model: Any, averaged: Any) -> None:
    for one in (model, averaged.module):
        one.linear.register_parameter("bias", None)


def tied(model: Any, averaged: Any) -> None:
    for one in (model, averaged.module):
        one.norm.bias = one.norm.weight


def another_copy(model: Any, averaged: Any) -> None:
    averaged.module = copy.deepcopy(averaged.module)


def frozen(model: Any, averaged: Any) -> None:
    model.requires_grad_(False)


CHANGES: list[Change] = [
    to_double, average_to_double, to_bfloat16_and_back, overwriting_conversion, assigned,
    assigned_to_the_average, data_of_one, another_parameter, another_layer, layers_added,
    one_removed, tied, another_copy, frozen,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changes_between_updates(change: Change) -> None:
    model = Net()
    averaged = ExponentialMovingAverage(model, momentum=0.25)
    for value in (1.0, 2.0):
        fill(model, value)
        averaged.update_parameters(model)
    change(model, averaged)
    for value in (7.0, -3.0):
        fill(model, value)
        expected = by_hand(tensors(averaged.module), model, 0.25)
        averaged.update_parameters(model)
        found = tensors(averaged.module)
        assert len(found) == len(expected)
        assert all(torch.allclose(a, b) for a, b in zip(found, expected, strict=True))


def test_collected_once() -> None:
    model = Net()
    averaged = ExponentialMovingAverage(model)
    averaged.update_parameters(model)
    with mock.patch.object(nn.Module, "named_modules", side_effect=AssertionError("walked")):
        averaged.update_parameters(model)
        model.linear.bias = nn.Parameter(torch.zeros(5))
        with pytest.raises(AssertionError, match="walked"):
            averaged.update_parameters(model)


def test_buffers_averaged_from_now_on() -> None:
    model = Net()
    averaged = ExponentialMovingAverage(model, momentum=0.5)
    for value in (1.0, 1.0):
        fill(model, value)
        averaged.update_parameters(model)
    averaged.update_buffers = True
    fill(model, 3.0)
    averaged.update_parameters(model)
    mean: Any = averaged.module.norm.running_mean  # type: ignore[union-attr]  # a BatchNorm
    assert mean.unique().item() == 10  # the fifth tensor: half way from 5 to 15


def test_models_in_turn() -> None:
    first, second = Net(), Net()
    averaged = ExponentialMovingAverage(first, momentum=0.5)
    for model, value in ((first, 0.0), (first, 4.0), (second, 8.0), (first, 5.0)):
        fill(model, value)
        averaged.update_parameters(model)
    assert averaged.module.linear.weight.unique().item() == 5  # type: ignore[union-attr,operator]  # a Linear


@pytest.mark.parametrize("shape", [(1, 3), (5, 1), (5, 4), (3,), ()])
def test_another_shape_in_the_same_place_is_refused(shape: tuple[int, ...]) -> None:
    model = Net()
    averaged = ExponentialMovingAverage(model)
    averaged.update_parameters(model)
    before = str(averaged.state_dict())
    model.linear.weight.data = torch.ones(shape)
    with pytest.raises(OptimError, match=r"the first is linear\.weight, \(5, 3\) in the average"):
        averaged.update_parameters(model)
    model.linear.weight.data = torch.ones(5, 3)
    model.norm.running_mean = torch.ones(())
    with pytest.raises(OptimError, match=r"the first is norm\.running_mean"):
        averaged.update_parameters(model)
    assert str(averaged.state_dict()) == before


def test_a_parameter_that_the_average_lacks() -> None:
    model = Net()
    averaged = ExponentialMovingAverage(model)
    averaged.update_parameters(model)
    model.register_parameter("late", nn.Parameter(torch.ones(2)))
    with pytest.raises(OptimError, match=r"the first is late, None in the average and \(2,\) in"):
        averaged.update_parameters(model)


def test_the_model_is_not_kept_alive() -> None:
    model = Net()
    averaged = ExponentialMovingAverage(model)
    averaged.update_parameters(model)
    gone = weakref.ref(model), weakref.ref(model.linear), weakref.ref(model.linear.weight)
    del model
    gc.collect()
    assert [one() for one in gone] == [None] * 3
    other = Net()
    averaged.update_parameters(other)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
def test_a_copy_holds_nothing_of_the_model(copied: Callable[[Any], Any]) -> None:
    model = Net()
    averaged = ExponentialMovingAverage(model, momentum=0.5)
    averaged.update_parameters(model)
    twin = copied(averaged)
    assert len(pickle.dumps(averaged)) < 1.1 * len(pickle.dumps(ExponentialMovingAverage(Net())))
    fill(model, 2.0)
    twin.update_parameters(model)
    pairs = zip(twin.module.parameters(), averaged.module.parameters(), strict=True)
    assert not any(torch.equal(one, other) for one, other in pairs)


def test_a_module_that_holds_itself() -> None:
    model: Any = Tied()
    model.first.parent = model
    averaged = ExponentialMovingAverage(model, momentum=0.5)
    for value in (2.0, 4.0):
        fill(model, value)
        averaged.update_parameters(model)
    assert averaged.module.first.weight.unique().item() == 3  # type: ignore[union-attr,operator]  # a Linear
