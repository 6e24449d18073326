"""A model of which the course depends on what it computed."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from engine_registry import MODELS
from engine_runner.model import BaseModel


@MODELS.register_module()
class Looking(BaseModel):
    """Gives up where its loss is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(100, 4)

    def forward(self, inputs: Tensor, targets: Tensor, mode: str = "tensor") -> Any:  # type: ignore[override]  # a batch names its entries
        loss = self.tokens(inputs).sum()
        return {"loss": loss if loss.item() else loss + 1}
