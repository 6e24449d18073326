"""The role: what a model becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

__all__ = ["Wrapping"]


class Wrapping(ABC):
    """Turns a user's model into what the loops train."""

    @property
    def forward_is_collective(self) -> bool:
        """Whether a forward pass, also of validation, needs all processes."""
        return False

    def place(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Put a model on its device; a wrapping that moves piece by piece has this its own way."""
        return model.to(device)

    @abstractmethod
    def wrap(self, model: nn.Module) -> nn.Module:
        """Wrap a model that is in its place; return it as it is where nothing is to be done."""
