"""Wrappers that hand the work to an engine's object."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import torch

from engine_optim import ApexOptimWrapper, ColossalAIOptimWrapper, DeepSpeedOptimWrapper
from tests.optim.wrappers.toys import loss_of, net, samples, sgd, weights

if TYPE_CHECKING:
    from collections.abc import Iterator


class Engine(torch.nn.Module):
    """What DeepSpeed's engine does with a loss, on one process: steps at every second one."""

    def __init__(self) -> None:
        super().__init__()
        self.module = net()
        self.optimizer = sgd(self.module)
        self.losses = 0

    def backward(self, loss: torch.Tensor) -> None:
        self.losses += 1
        (loss / 2).backward()  # type: ignore[no-untyped-call]  # torch's

    def step(self) -> None:
        if self.losses % 2 == 0:
            self.optimizer.step()
            self.optimizer.zero_grad()


def test_deepspeed() -> None:
    engine = Engine()
    wrapper = DeepSpeedOptimWrapper(engine.optimizer)
    with pytest.raises(ValueError, match="model attribute should be set"):
        wrapper.update_params(torch.zeros(()))
    wrapper.model = engine
    before = weights(engine)
    wrapper.update_params(loss_of(engine.module, *samples()))
    assert torch.equal(weights(engine), before)
    wrapper.update_params(loss_of(engine.module, *samples()))
    assert not torch.equal(weights(engine), before)
    assert wrapper.get_lr() == {"lr": [0.05]}
    with pytest.raises(NotImplementedError, match="the engine clears gradients itself"):
        wrapper.zero_grad()


def test_deepspeed_keeps_the_base_settings_alone() -> None:
    wrapper = DeepSpeedOptimWrapper(sgd(net()))
    assert wrapper.state_dict() == {}
    wrapper.base_param_settings = {"params": [], "lr": 0.1}
    state = {"base_param_settings": {"params": [], "lr": 0.5}}
    wrapper.load_state_dict(state)
    assert wrapper.state_dict() == state


class Booster:
    """What ColossalAI's booster does with a loss, and its context without exchange."""

    def __init__(self, with_no_sync: bool = True) -> None:
        self.plugin = self if with_no_sync else None
        self.held = 0
        self.losses = 0

    @contextmanager
    def no_sync(self, model: Any, optimizer: Any) -> Iterator[None]:
        self.held += 1
        yield

    def backward(self, loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        assert isinstance(optimizer, torch.optim.Optimizer)
        self.losses += 1
        loss.backward()  # type: ignore[no-untyped-call]  # torch's


@pytest.mark.parametrize("booster", [Booster(), Booster(with_no_sync=False), None])
def test_colossalai(booster: Booster | None) -> None:
    model, whole = net(), net()
    wrapper = ColossalAIOptimWrapper(sgd(model), booster, accumulative_counts=2)
    inputs, targets = samples()
    for part in (slice(0, 12), slice(12, 24)):
        with wrapper.optim_context(model):
            wrapper.update_params(loss_of(model, inputs[part], targets[part]))
    optimizer = sgd(whole)
    loss_of(whole, inputs, targets).backward()  # type: ignore[no-untyped-call]  # torch's
    optimizer.step()
    assert torch.allclose(weights(model), weights(whole), atol=1e-6)
    if booster is not None:
        assert booster.losses == 2
        assert bool(booster.held) == (booster.plugin is not None)


LOOK = """
import sys
import engine_optim
from engine_registry import OPTIM_WRAPPERS

for name in ("DeepSpeedOptimWrapper", "ColossalAIOptimWrapper", "ApexOptimWrapper"):
    assert OPTIM_WRAPPERS.get(name) is not None
print([name for name in ("apex", "colossalai", "deepspeed") if name in sys.modules])
"""


def test_no_library_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_apex_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apex", None)
    with pytest.raises(ImportError, match=r"needs NVIDIA's apex.*AmpOptimWrapper does the same"):
        ApexOptimWrapper(optimizer=sgd(net()))


class Amp(ModuleType):
    """A stand-in: apex cannot be had here. Its calls are noted, losses are scaled by 8."""

    def __init__(self) -> None:
        super().__init__("apex.amp")
        self.initialized: list[dict[str, Any]] = []
        self.loaded: list[Any] = []

    def initialize(self, model: Any, optimizer: Any, **settings: Any) -> tuple[Any, Any]:
        self.initialized.append(settings)
        return model, optimizer

    @contextmanager
    def scale_loss(self, loss: torch.Tensor, optimizer: Any) -> Iterator[torch.Tensor]:
        yield loss * 8
        for group in optimizer.param_groups:
            for param in group["params"]:
                param.grad /= 8

    def state_dict(self) -> dict[str, Any]:
        return {"scale": 8}

    def load_state_dict(self, state: Any) -> None:
        self.loaded.append(state)


def test_apex_is_driven(monkeypatch: pytest.MonkeyPatch) -> None:
    apex, amp = ModuleType("apex"), Amp()
    apex.amp = amp  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "apex", apex)
    model, plain = net(), net()
    wrapper = ApexOptimWrapper("O2", optimizer=sgd(model))
    wrapper.load_state_dict(ApexOptimWrapper(optimizer=sgd(net())).state_dict())
    assert amp.loaded == []  # the model is not known yet
    for _ in range(2):
        with wrapper.optim_context(model):
            loss = loss_of(model, *samples())
        wrapper.update_params(loss)
    assert [settings["opt_level"] for settings in amp.initialized] == ["O2"]
    assert amp.loaded == [{"scale": 8}]
    optimizer = sgd(plain)
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(plain, *samples()).backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
    assert torch.allclose(weights(model), weights(plain), atol=1e-6)
    wrapper.load_state_dict(wrapper.state_dict())
    assert amp.loaded == [{"scale": 8}, {"scale": 8}]
