"""Several optimizers under names."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine_optim import (
    AmpOptimWrapper,
    OptimWrapper,
    OptimWrapperDict,
    StateMismatchError,
    StepLR,
)
from tests.optim.wrappers.toys import loss_of, net, samples, sgd, weights


def pair(**options: Any) -> tuple[torch.nn.Module, torch.nn.Module, OptimWrapperDict]:
    first, second = net(0), net(1)
    critic = OptimWrapper(torch.optim.Adam(first.parameters(), lr=0.01, betas=(0.5, 0.9)))
    return (
        first,
        second,
        OptimWrapperDict(critic=critic, actor=OptimWrapper(sgd(second), **options)),
    )


def test_each_steps_on_its_own() -> None:
    first, second, wrappers = pair()
    before = weights(first), weights(second)
    with wrappers.optim_context(second, "actor"):
        loss = loss_of(second, *samples())
    wrappers["actor"].update_params(loss)
    assert torch.equal(weights(first), before[0])
    assert not torch.equal(weights(second), before[1])


def test_a_context_by_name() -> None:
    model = net()
    wrappers = OptimWrapperDict(
        half=AmpOptimWrapper(optimizer=sgd(model), dtype="bfloat16"), full=OptimWrapper(sgd(model))
    )
    for name, dtype in (("half", torch.bfloat16), ("full", torch.float32)):
        with wrappers.optim_context(model, name):
            assert model(samples()[0]).dtype == dtype


@pytest.mark.parametrize("method", ["update_params", "backward", "step", "optim_context"])
def test_what_only_one_of_them_can_do(method: str) -> None:
    _, _, wrappers = pair()
    arguments = [] if method == "step" else [torch.zeros(())]
    with pytest.raises(NotImplementedError, match=rf"\[name\].{method}.*\['critic', 'actor'\]"):
        getattr(wrappers, method)(*arguments)


def test_by_name() -> None:
    first, _, wrappers = pair()
    assert wrappers.get_lr() == {"critic.lr": [0.01], "actor.lr": [0.05]}
    assert wrappers.get_momentum() == {"critic.momentum": [0.5], "actor.momentum": [0]}
    assert set(wrappers.param_groups) == {"critic", "actor"}
    assert list(wrappers) == list(wrappers.keys()) == ["critic", "actor"]
    assert list(wrappers.values()) == [wrappers["critic"], wrappers["actor"]]
    assert "critic" in wrappers
    assert "other" not in wrappers
    assert len(wrappers) == len(wrappers.items()) == 2
    assert repr(wrappers).count("name: ") == 2
    wrappers.initialize_count_status(first, 0, 10)
    loss_of(first, *samples()).backward()  # type: ignore[no-untyped-call]  # torch's
    wrappers.zero_grad()
    assert all(p.grad is None for p in first.parameters())


def test_a_schedule_for_each() -> None:
    _, second, wrappers = pair()
    schedule = StepLR(wrappers["actor"], step_size=1, gamma=0.5)
    wrappers["actor"].update_params(loss_of(second, *samples()))
    schedule.step()
    assert wrappers.get_lr() == {"critic.lr": [0.01], "actor.lr": [0.025]}


def test_scalars_are_named() -> None:
    _, second, wrappers = pair(clip_grad={"max_norm": 1.0})
    seen: dict[str, Any] = {}
    wrappers.on_scalar = seen.__setitem__
    wrappers["actor"].update_params(loss_of(second, *samples()))
    assert list(seen) == ["actor.grad_norm"]
    assert wrappers.on_scalar is not None
    wrappers.on_scalar = None
    assert wrappers["actor"].on_scalar is None


def test_states_by_name() -> None:
    first, _, wrappers = pair()
    wrappers["critic"].update_params(loss_of(first, *samples()))
    state = wrappers.state_dict()
    _, _, others = pair()
    others.load_state_dict(state)
    assert others["critic"].state_dict()["state"][0]["step"] == 1
    with pytest.raises(StateMismatchError, match=r"optimizers \['critic'\], these are \['actor'"):
        others.load_state_dict({"critic": state["critic"]})
    # the second does not fit: the first is not loaded either
    _, _, fresh = pair()
    wrong = OptimWrapper(torch.optim.SGD(list(net().parameters())[:1], lr=0.1)).state_dict()
    with pytest.raises(StateMismatchError, match="has 1 parameters saved and 4 here"):
        fresh.load_state_dict({"critic": state["critic"], "actor": wrong})
    assert fresh["critic"].state_dict()["state"] == {}


def test_wrappers_only() -> None:
    with pytest.raises(TypeError, match="'actor' is a SGD"):
        OptimWrapperDict(actor=sgd(net()))  # type: ignore[arg-type]  # what is tested
