"""What a subclass, or somebody who puts a method in another's place, has called: as in MMEngine."""

from __future__ import annotations

import copy
import pickle
from typing import Any
from unittest import mock

import pytest
import torch

from engine_optim import AmpOptimWrapper, NonFiniteError, OptimError, OptimWrapper
from tests.optim.wrappers.toys import loss_of, net, samples, sgd, weights

METHODS = ("scale_loss", "backward", "should_update", "step", "zero_grad")


def overriding(*names: str) -> type[OptimWrapper]:
    """Return a subclass that notes calls of these methods and then does as its base."""

    def noting(name: str) -> Any:
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            self.called.append((name, args, kwargs))
            return getattr(OptimWrapper, name)(self, *args, **kwargs)

        return method

    namespace = {name: noting(name) for name in names}
    return type("Noting", (OptimWrapper,), {"called": [], **namespace})


def updated(wrapper: OptimWrapper, model: torch.nn.Module, times: int = 1, **kwargs: Any) -> Any:
    for _ in range(times):
        with wrapper.optim_context(model):
            loss = loss_of(model, *samples())
        wrapper.update_params(loss, **kwargs)
    return weights(model)


@pytest.mark.parametrize("name", METHODS)
def test_one_of_a_subclass(name: str) -> None:
    model, plain = net(), net()
    wrapper: Any = overriding(name)(sgd(model))
    assert torch.equal(updated(wrapper, model, 3), updated(OptimWrapper(sgd(plain)), plain, 3))
    assert [called for called, _, _ in wrapper.called] == [name] * 3
    assert wrapper.inner_count == 3


def test_all_of_a_subclass_in_their_order() -> None:
    model = net()
    wrapper: Any = overriding(*METHODS)(sgd(model))
    updated(wrapper, model)
    assert [name for name, _, _ in wrapper.called] == list(METHODS)
    assert [type(args[0]) for _, args, _ in wrapper.called[:2]] == [torch.Tensor] * 2
    assert [(args, kwargs) for _, args, kwargs in wrapper.called[2:]] == [((), {})] * 3


def test_arguments_go_to_them() -> None:
    model = net()
    wrapper: Any = overriding("step", "zero_grad")(sgd(model))
    kwargs = {"set_to_none": False}
    updated(wrapper, model, step_kwargs={"closure": None}, zero_kwargs=kwargs)
    assert wrapper.called == [("step", (), {"closure": None}), ("zero_grad", (), kwargs)]


def test_a_step_that_is_held_back() -> None:
    class Never(OptimWrapper):
        def should_update(self) -> bool:
            return False

    model = net()
    before = weights(model)
    assert torch.equal(updated(Never(sgd(model)), model, 2), before)
    assert all(param.grad is not None for param in model.parameters())


def test_a_loss_that_is_scaled() -> None:
    class Zero(OptimWrapper):
        def scale_loss(self, loss: torch.Tensor) -> torch.Tensor:
            return loss * 0

    model = net()
    before = weights(model)
    assert torch.equal(updated(Zero(sgd(model)), model), before)


def test_update_params_of_a_subclass_may_use_the_rest() -> None:
    class Twice(OptimWrapper):
        def update_params(self, loss: Any, *args: Any, **kwargs: Any) -> None:
            super().update_params(loss * 2, *args, **kwargs)

    model, plain = net(), net()
    doubled = torch.optim.SGD(plain.parameters(), lr=0.1)
    found = updated(Twice(sgd(model, lr=0.05)), model)
    assert torch.allclose(found, updated(OptimWrapper(doubled), plain))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("late", [False, True])
def test_one_put_in_the_place_of_an_instances(name: str, late: bool) -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model))
    if late:
        updated(wrapper, model)
    with mock.patch.object(wrapper, name, wraps=getattr(wrapper, name)) as put:
        updated(wrapper, model)
    assert put.call_count == 1
    updated(wrapper, model)
    assert put.call_count == 1


@pytest.mark.parametrize("name", METHODS)
def test_one_put_in_the_place_of_the_class(name: str) -> None:
    model = net()
    with mock.patch.object(OptimWrapper, name, autospec=True) as put:
        wrapper = OptimWrapper(sgd(model))
        updated(wrapper, model)
    assert put.call_count == 1


def test_settings_that_are_changed_later_hold() -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model))
    updated(wrapper, model)
    donor = OptimWrapper(sgd(model), clip_grad={"max_norm": 0.0}, non_finite="raise")
    before = weights(model)
    wrapper.clip = donor.clip
    assert torch.equal(updated(wrapper, model), before)
    wrapper.clip, wrapper.guard = None, donor.guard
    with pytest.raises(NonFiniteError, match="infinite or not a number"):
        wrapper.update_params(loss_of(model, *samples()) * float("nan"))
    wrapper.guard = None
    wrapper.zero_grad()
    wrapper._accumulative_counts = 6
    before = weights(model)
    assert torch.equal(updated(wrapper, model, 2), before)


def test_another_optimizer_and_a_changed_step_of_it() -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model))
    updated(wrapper, model)
    wrapper.optimizer = sgd(model, lr=0.0)
    before = weights(model)
    with mock.patch.object(wrapper.optimizer, "step", wraps=wrapper.optimizer.step) as put:
        assert torch.equal(updated(wrapper, model), before)
    put.assert_called_once_with()


def test_a_copy_and_a_pickle_go_their_own_ways() -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model))
    updated(wrapper, model)
    before = weights(model)
    for twin in (copy.deepcopy(wrapper), pickle.loads(pickle.dumps(wrapper))):
        own = [param for group in twin.optimizer.param_groups for param in group["params"]]
        twin.update_params(sum(param.sum() for param in own))
        assert torch.equal(weights(model), before)
        assert (twin.inner_count, wrapper.inner_count) == (2, 1)


def test_modes_of_a_subclass_are_switched() -> None:
    class Switching(OptimWrapper):
        switched = 0

        def train(self, mode: bool = True) -> None:
            self.switched += 1

    model = net()
    wrapper = Switching(sgd(model))
    updated(wrapper, model, 2)
    assert wrapper.switched == 2


def test_a_wrapper_with_a_backward_of_its_own() -> None:
    model, plain = net(), net()
    amp = AmpOptimWrapper(optimizer=sgd(model), dtype="float32")
    with mock.patch.object(amp.loss_scaler, "scale", wraps=amp.loss_scaler.scale) as scale:
        found = updated(amp, model)
    assert scale.call_count == 1
    assert torch.equal(found, updated(OptimWrapper(sgd(plain)), plain))


def test_a_count_that_was_left_by_an_error_is_not_forgotten() -> None:
    model = net()
    wrapper = OptimWrapper(sgd(model))
    with pytest.raises(RuntimeError):
        wrapper.update_params(loss_of(model, *samples()).detach(), count=3)
    with pytest.raises(OptimError, match="with and without count="):
        wrapper.update_params(loss_of(model, *samples()))
