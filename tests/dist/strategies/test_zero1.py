"""Optimizer states shared out over processes: the numbers, what each holds, checkpoints both ways."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist import get_rank, get_world_size
from engine_dist.sharded_optimizer import ShardedOptimizer, shard_states
from engine_dist.strategies import SingleDeviceStrategy, Strategy, ZeRO1Strategy
from engine_dist.testing import ProcessPool
from engine_dist.wrappers import unwrap
from engine_optim import OptimWrapper, OptimWrapperDict

STEPS, COUNTS = 6, 2
DATA = torch.randn(STEPS, COUNTS, 4, 3, generator=torch.Generator().manual_seed(4))


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))
    model[2].bias.requires_grad_(False)
    return model


def wrapper_of(model: nn.Module) -> OptimWrapper:
    """Return AdamW with groups of their own settings, accumulation and clipping."""
    named = list(model.named_parameters())
    groups = [
        {"params": [p for n, p in named if "weight" in n], "lr": 3e-3, "note": "weights"},
        {"params": [p for n, p in named if "bias" in n], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1, amsgrad=True)
    return OptimWrapper(optimizer, COUNTS, {"max_norm": 0.2})


def run(strategy: Strategy, model: Any, wrapper: OptimWrapper, steps: range) -> list[Tensor]:
    """Train, and return the weights."""
    for step in steps:
        for group in wrapper.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * 0.9**step
        for batch in DATA[step]:
            mine = batch.chunk(get_world_size())[get_rank()]
            with wrapper.optim_context(model):
                loss = model(mine).square().mean()
            wrapper.update_params(loss)
    return [p.detach().clone() for p in unwrap(model).parameters()]


def train_and_save(kind: type[Strategy], path: str) -> tuple[list[Tensor], int]:
    strategy = kind(device="cpu")
    prepared = strategy.prepare(net(), wrapper_of)
    model, wrapper = prepared.model, prepared.optimizer
    assert wrapper is not None
    half = run(strategy, model, wrapper, range(3))
    state = {"state_dict": strategy.model_state_dict(model), "optimizer": wrapper.state_dict()}
    strategy.save_checkpoint(state, path)
    inner = getattr(wrapper.optimizer, "optim", wrapper.optimizer)
    held = sum(v.numel() for s in inner.state.values() for v in s.values() if v.ndim)
    assert not any(wrapper.optimizer.state.values()) or inner is wrapper.optimizer
    return half, held


def resume(kind: type[Strategy], path: str) -> tuple[list[Tensor], list[str]]:
    strategy = kind(device="cpu")
    state = strategy.load_checkpoint(path)
    model = net(seed=5)
    model.load_state_dict(state["state_dict"])
    prepared = strategy.prepare(model, wrapper_of)
    wrapper = prepared.optimizer
    assert wrapper is not None
    before = deepcopy(state)
    wrapper.load_state_dict(state["optimizer"])
    moments = [s["optimizer"]["state"] for s in (state, before)]
    torch.testing.assert_close(*moments, rtol=0, atol=0)  # they are the caller's
    notes = [group.get("note", "") for group in wrapper.optimizer.param_groups]
    return run(strategy, prepared.model, wrapper, range(3, STEPS)), notes


def alone(stop: int) -> list[Tensor]:
    model = net()
    return run(SingleDeviceStrategy(device="cpu"), model, wrapper_of(model), range(stop))


def test_as_one_device_and_each_holds_a_share(pool2: ProcessPool, tmp_path: Path) -> None:
    found = pool2.run(train_and_save, ZeRO1Strategy, str(tmp_path / "a.pth"))
    for weights, _ in found:
        torch.testing.assert_close(weights, alone(3), rtol=0, atol=3e-6)
    _, whole = train_and_save(SingleDeviceStrategy, str(tmp_path / "b.pth"))
    shares = [held for _, held in found]
    assert sum(shares) == whole
    assert max(shares) < 0.7 * whole


KINDS = [SingleDeviceStrategy, ZeRO1Strategy]


@pytest.mark.parametrize("writer", KINDS)
@pytest.mark.parametrize("reader", KINDS)
def test_either_goes_on_from_the_other(
    pool2: ProcessPool, tmp_path: Path, writer: type[Strategy], reader: type[Strategy]
) -> None:
    path, expected = str(tmp_path / "a.pth"), alone(STEPS)
    if writer is ZeRO1Strategy:
        pool2.run(train_and_save, writer, path)
    else:
        train_and_save(writer, path)
    found = pool2.run(resume, reader, path) if reader is ZeRO1Strategy else [resume(reader, path)]
    for weights, notes in found:
        torch.testing.assert_close(weights, expected, rtol=0, atol=3e-6)
        assert notes == ["weights", ""]


def several() -> tuple[list[str], list[Tensor]]:
    strategy = ZeRO1Strategy(device="cpu")

    def make(model: nn.Module) -> OptimWrapperDict:
        inner: Any = unwrap(model)
        return OptimWrapperDict(
            **{
                name: OptimWrapper(torch.optim.SGD(part.parameters(), lr=0.1, momentum=0.9))
                for name, part in (("first", inner[0]), ("last", inner[4]))
            }
        )

    prepared = strategy.prepare(net(), make)
    assert strategy.prepare(prepared.model, lambda _: prepared.optimizer).optimizer is not None
    wrappers: Any = prepared.optimizer
    for batch in DATA.flatten(0, 1):
        loss = prepared.model(batch.chunk(get_world_size())[get_rank()]).square().mean()
        loss.backward()
        for wrapper in wrappers.values():
            wrapper.step()
        wrappers.zero_grad()
        prepared.model.zero_grad()
    kinds = [type(wrapper.optimizer.optim).__name__ for wrapper in wrappers.values()]
    return kinds, [p.detach().clone() for p in prepared.model.parameters()]


def test_several_optimizers(pool2: ProcessPool) -> None:
    model = net()
    parts = [*model[0].parameters(), *model[4].parameters()]
    optimizer = torch.optim.SGD(parts, lr=0.1, momentum=0.9)
    for batch in DATA.flatten(0, 1):
        model(batch).square().mean().backward()
        optimizer.step()
        model.zero_grad()
    for kinds, weights in pool2.run(several):
        assert kinds == ["SGD", "SGD"]
        torch.testing.assert_close(weights, list(model.parameters()), rtol=0, atol=3e-6)


class Unspoken(torch.optim.SGD):
    """Is built with what it does not hold."""

    def __init__(self, params: Any, secret: int) -> None:
        super().__init__(params, lr=0.1 * secret)


def odd_cases() -> tuple[int, float, str, str]:
    alone = nn.Linear(1, 1, bias=False)
    used = torch.optim.SGD(alone.parameters(), lr=1.0, momentum=0.5)
    for parameter in alone.parameters():
        parameter.grad = torch.ones_like(parameter)
    used.step()
    before = alone.weight.item()
    sharded = shard_states(used)  # one parameter for two processes, and a momentum of 1
    assert isinstance(sharded, ShardedOptimizer)
    sharded.step()
    with pytest.raises(TypeError) as unspoken:
        shard_states(Unspoken(alone.parameters(), 2))
    with pytest.raises(TypeError) as nothing:
        ZeRO1Strategy(device="cpu").prepare(nn.Linear(1, 1), lambda model: "adam")
    return (
        len(sharded.state_dict()["state"]),
        before - alone.weight.item(),
        str(unspoken.value),
        str(nothing.value),
    )


def test_odd_cases(pool2: ProcessPool) -> None:
    first, second = pool2.run(odd_cases)
    assert [first[0], second[0]] == [1, 0]
    assert first[1] == second[1] == 1.5
    assert "Unspoken cannot be shared out over processes: it is built with secret" in first[2]
    assert "or of the one in an optimizer wrapper, got str" in first[3]
