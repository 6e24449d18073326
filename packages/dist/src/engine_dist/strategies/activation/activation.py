"""The role: how modules of a model are run."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

__all__ = ["Activation"]


class Activation(ABC):
    """Changes how modules are run; neither their names nor those of their parameters."""

    @abstractmethod
    def apply(self, model: nn.Module) -> None:
        """Change a model in place, before it is wrapped."""
