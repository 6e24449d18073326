"""The model as it is."""

from __future__ import annotations

from torch import nn

from engine_dist.strategies.wrapping.wrapping import Wrapping

__all__ = ["Unwrapped"]


class Unwrapped(Wrapping):
    """Leaves the model as it is."""

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model."""
        return model
