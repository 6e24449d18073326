"""The types that the model has."""

from __future__ import annotations

from torch import nn

from engine_dist.strategies.precision.precision import Precision

__all__ = ["AsIs"]


class AsIs(Precision):
    """Leaves the types as they are."""

    def cast(self, model: nn.Module) -> nn.Module:
        """Return the model."""
        return model

    def check(self, model: nn.Module) -> None:
        """There is nothing that was asked for."""
