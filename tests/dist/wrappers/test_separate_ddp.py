"""A model whose parts are wrapped one by one."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine_dist import get_rank, get_world_size
from engine_dist.strategies import DDPStrategy
from engine_dist.testing import ProcessPool
from engine_dist.wrappers import (
    MMDistributedDataParallel,
    MMSeparateDistributedDataParallel,
    is_model_wrapper,
)

SETTINGS = {"type": "MMSeparateDistributedDataParallel"}
DATA = torch.randn(3, 2, 4, 2, generator=torch.Generator().manual_seed(3))


class Pair(nn.Module):
    """Two parts that are trained in turns, and a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.generator = nn.Linear(2, 2)
        self.critic = nn.Linear(2, 1)
        self.eyes = nn.Linear(2, 2).requires_grad_(False)
        self.shape = nn.Identity()

    def train_step(self, data: Tensor, optim_wrapper: Any) -> dict[str, Tensor]:
        """Update the critic by every micro-batch together, then the generator by the last."""
        made = self.generator(self.eyes(self.shape(data)))
        loss = self.critic(made.detach()).square().mean()
        optim_wrapper["critic"](loss)
        fooled = (self.critic(made) - 1).square().mean()
        optim_wrapper["generator"](fooled)
        return {"loss": loss.detach(), "fooled": fooled.detach()}

    def val_step(self, data: Tensor) -> str:
        return "val"

    def test_step(self, data: Tensor) -> str:
        return "test"


def updates(parts: dict[str, nn.Module]) -> dict[str, Any]:
    """Return what updates each part by a loss, by its name."""

    def update(part: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
        def by(loss: Tensor) -> None:
            optimizer.zero_grad()
            torch.autograd.backward(loss, inputs=list(part.parameters()))
            optimizer.step()

        return by

    return {
        name: update(part, torch.optim.SGD(part.parameters(), lr=0.1))
        for name, part in parts.items()
    }


def train(model: Any, inner: Any, data: Tensor) -> None:
    by_part = updates({"critic": inner.critic, "generator": inner.generator})
    for batch in data.flatten(0, 1):
        model.train_step(batch, by_part)


def train_on_all() -> tuple[dict[str, Tensor], list[str]]:
    strategy = DDPStrategy(SETTINGS, device="cpu")
    model: Any = strategy.prepare(Pair()).model
    assert is_model_wrapper(model)
    assert (model.val_step(None), model.test_step(None)) == ("val", "test")
    train(model, model.module, DATA.chunk(get_world_size(), 2)[get_rank()])
    wrapped = [
        name
        for name, part in model.module.named_children()
        if isinstance(part, MMDistributedDataParallel)
    ]
    return strategy.model_state_dict(model), wrapped


def test_same_numbers_and_names(pool2: ProcessPool) -> None:
    alone = Pair()
    train(alone, alone, DATA)
    for state, wrapped in pool2.run(train_on_all):
        assert wrapped == ["generator", "critic"]
        assert list(state) == list(alone.state_dict())
        torch.testing.assert_close(state, dict(alone.state_dict()), rtol=0, atol=3e-6)


def gradients(silent: bool) -> list[float]:
    model: Any = DDPStrategy(SETTINGS, device="cpu").prepare(Pair()).model
    rank = float(get_rank())
    with model.no_sync() if silent else nullcontext():
        model.module.critic(torch.full((1, 2), rank)).sum().backward()
        model.module.generator(torch.full((1, 2), rank)).sum().backward()
    parts = (model.module.critic, model.module.generator)
    return [p.module.weight.grad.flatten()[0].item() for p in parts]


def test_no_sync_silences_every_part(pool2: ProcessPool) -> None:
    assert pool2.run(gradients, False) == [[0.5, 0.5], [0.5, 0.5]]
    assert pool2.run(gradients, True) == [[0.0, 0.0], [1.0, 1.0]]


def test_training_mode_reaches_the_model() -> None:
    told = []

    class Told(nn.Module):
        def train(self, mode: bool = True) -> Told:
            told.append(mode)
            return super().train(mode)

    wrapper: Any = MMSeparateDistributedDataParallel(Told())
    wrapper.train(False)
    assert told == [False]
    assert not wrapper.module.training


def test_parameters_that_no_part_owns_alone() -> None:
    loose = nn.Module()
    loose.scale = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match="scale belongs to no child; put it into one"):
        MMSeparateDistributedDataParallel(loose)
    loose.scale.requires_grad_(False)
    MMSeparateDistributedDataParallel(loose)
    tied = nn.Module()
    tied.first, tied.second = nn.Linear(1, 1), nn.Linear(1, 1)
    tied.second.weight = tied.first.weight
    with pytest.raises(ValueError, match=r"first\.weight belongs to first and second"):
        MMSeparateDistributedDataParallel(tied)
