"""What comparisons of strategies are tried with: models and strategies, sound ones and others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset

from engine_dist import get_rank
from engine_dist.strategies import DDPStrategy
from engine_registry import DATASETS, MODELS, STRATEGIES
from engine_runner.model import BaseModel


@DATASETS.register_module()
class Points(Dataset[Any]):
    """Points, perhaps moved at random: by torch's generator, or by one of the data set's own."""

    def __init__(self, size: int = 22, moved: str = "") -> None:
        self._inputs = torch.randn(size, 3, generator=torch.Generator().manual_seed(3))
        self._moved = moved
        self._own = torch.Generator().manual_seed(4)

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        point = self._inputs[index]
        if self._moved:
            own = self._own if self._moved == "own" else None
            point = point + torch.rand(3, generator=own)
        return {"inputs": point, "targets": point[:2].cos()}


@DATASETS.register_module()
class PointStream(IterableDataset[Any]):
    """The same points, one after the other."""

    def __iter__(self) -> Any:
        points = Points(64)
        return (points[index] for index in range(len(points)))


@MODELS.register_module()
class Fitting(BaseModel):
    """Two layers, with what a test asks for."""

    def __init__(self, norm: bool = False, drops: float = 0.0, wrong: str = "") -> None:
        super().__init__()
        self.first = nn.Linear(3, 8)
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.dropout = nn.Dropout(drops)
        self.last = nn.Linear(8, 2)
        self._wrong = wrong

    def forward(self, inputs: Tensor, targets: Tensor, mode: str = "tensor") -> Any:  # type: ignore[override]  # a batch names its entries
        hidden = self.dropout(torch.tanh(self.norm(self.first(inputs))))
        errors = (self.last(hidden) - targets).square()
        if self._wrong == "size":
            return {"loss": errors.sum()}
        if self._wrong == "draws":
            errors = errors * torch.rand_like(errors)
        return {"loss": errors.mean()}


@STRATEGIES.register_module()
class DoublingStrategy(DDPStrategy):
    """Replicas whose gradients are twice what they should be."""

    def wrap(self, model: nn.Module) -> nn.Module:
        for parameter in model.parameters():
            parameter.register_hook(lambda grad: 2 * grad)  # type: ignore[no-untyped-call]  # torch's
        return super().wrap(model)


@STRATEGIES.register_module()
class ApartStrategy(DDPStrategy):
    """Replicas that never exchange anything."""

    def wrap(self, model: nn.Module) -> nn.Module:
        return model


@STRATEGIES.register_module()
class BreakingStrategy(DDPStrategy):
    """Breaks off once it trains."""

    def initialise(self, model: nn.Module) -> None:
        raise OSError(f"no way on, says {get_rank()}")
