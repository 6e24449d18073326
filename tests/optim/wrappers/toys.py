"""Models and data that the wrappers' tests share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def samples(count: int = 24) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 4, generator=generator)
    return inputs, inputs.sum(1, keepdim=True) * 3


def loss_of(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.mse_loss(model(inputs), targets)


def weights(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return torch.cat([p.detach().clone().flatten() for p in model.parameters()])


def sgd(model: nn.Module, lr: float = 0.05) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=lr)


def parts(tensor: Tensor, sizes: int | list[int]) -> tuple[Tensor, ...]:
    """Split along the first dimension."""
    return torch.split(tensor, sizes)
