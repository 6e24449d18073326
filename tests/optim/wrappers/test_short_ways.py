"""The short ways of a step and of clearing, against torch's own methods."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.profiler import ProfilerActivity, profile

from engine_optim import OptimWrapper


class Mine(torch.optim.SGD):
    """Counts what is called of it."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, lr)
        self.called: list[str] = []

    def step(self, closure: Any = None) -> Any:
        self.called.append("step")
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.called.append("zero_grad")
        super().zero_grad(set_to_none)


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))


def _update(wrapper: OptimWrapper, model: nn.Module) -> None:
    wrapper.update_params(model(torch.ones(4, 3)).square().mean())


def _plain(**settings: Any) -> tuple[nn.Module, OptimWrapper]:
    model = _model()
    return model, OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), **settings)


KINDS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9),
    "Adam": lambda params: torch.optim.Adam(params, lr=0.1),
    "AdamW, foreach": lambda params: torch.optim.AdamW(params, lr=0.1, foreach=True),
    "of a class of one's own": Mine,
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    "settings", [{}, {"clip_grad": {"max_norm": 0.1}}, {"non_finite": "skip"}]
)
def test_an_update_is_that_of_torchs_methods(make: Any, settings: dict[str, Any]) -> None:
    ours, theirs = _model(), _model()
    wrapper, optimizer = (
        OptimWrapper(make(ours.parameters()), **settings),
        make(theirs.parameters()),
    )
    for _ in range(3):
        _update(wrapper, ours)
        theirs(torch.ones(4, 3)).square().mean().backward()
        if "clip_grad" in settings:
            nn.utils.clip_grad_norm_(theirs.parameters(), 0.1)
        optimizer.step()
        optimizer.zero_grad()
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(own, other)
        assert own.grad is None
    assert torch.is_grad_enabled()


def test_what_a_class_does_in_its_own_way_is_done() -> None:
    model = _model()
    optimizer = Mine(model.parameters())
    _update(OptimWrapper(optimizer), model)
    assert optimizer.called == ["step", "zero_grad"]


def _note(seen: list[str], name: str) -> Callable[..., None]:
    return lambda *args: seen.append(name)


@pytest.mark.parametrize("when", ["pre", "post"])
def test_hooks_of_an_optimizer_are_called(when: str) -> None:
    model, wrapper = _plain()
    seen: list[str] = []
    handle = getattr(wrapper.optimizer, f"register_step_{when}_hook")(_note(seen, when))
    _update(wrapper, model)
    handle.remove()
    _update(wrapper, model)
    assert seen == [when]


@pytest.fixture
def seen() -> list[str]:
    return []


@pytest.mark.parametrize(
    "register", [register_optimizer_step_pre_hook, register_optimizer_step_post_hook]
)
def test_hooks_of_all_optimizers_are_called(register: Any, seen: list[str]) -> None:
    model, wrapper = _plain()
    handle = register(_note(seen, "called"))
    try:
        _update(wrapper, model)
    finally:
        handle.remove()
    _update(wrapper, model)
    assert seen == ["called"]


@pytest.mark.parametrize("name", ["step", "zero_grad"])
def test_a_method_that_was_put_on_the_object_is_called(name: str, seen: list[str]) -> None:
    model, wrapper = _plain()
    setattr(wrapper.optimizer, name, _note(seen, name))
    _update(wrapper, model)
    assert seen == [name]


@pytest.mark.parametrize("name", ["step", "zero_grad"])
def test_a_method_that_was_put_around_the_class_is_called(
    name: str, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, wrapper = _plain()
    around = getattr(torch.optim.SGD, name)

    @functools.wraps(around)
    def mine(*args: Any, **kwargs: Any) -> Any:
        seen.append(name)
        return around(*args, **kwargs)

    monkeypatch.setattr(torch.optim.SGD, name, mine)
    _update(wrapper, model)
    assert seen == [name]


def test_a_schedule_of_torchs_sees_the_step() -> None:
    model, wrapper = _plain()
    schedule = torch.optim.lr_scheduler.StepLR(wrapper.optimizer, 1)
    _update(wrapper, model)
    schedule.step()  # warns, which is an error here, where it has seen none


def test_a_profiler_sees_torchs_ranges() -> None:
    model, wrapper = _plain()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        _update(wrapper, model)
    names = {event.name for event in profiled.events() or ()}
    assert {"Optimizer.step#SGD.step", "Optimizer.zero_grad#SGD.zero_grad"} <= names


def test_without_a_profiler_no_range_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    model, wrapper = _plain()

    def refuse(self: Any) -> None:
        raise AssertionError(f"{self.name} was opened")

    monkeypatch.setattr(torch.autograd.profiler.record_function, "__enter__", refuse)
    _update(wrapper, model)
