"""The role: in which types parameters are kept, computed with and reduced."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

__all__ = ["Precision"]


class Precision(ABC):
    """The types of a model's numbers, as far as a strategy decides them.

    What autocast decides, within a step, is the optimizer wrapper's.
    """

    @abstractmethod
    def cast(self, model: nn.Module) -> nn.Module:
        """Return the model with its parameters in the types that they are kept in."""

    @abstractmethod
    def check(self, model: nn.Module) -> None:
        """Hold a model that is prepared against what was asked for.

        Raises
        ------
        RuntimeError
            If it computes in another type, as where a release of torch passes over a setting.
        """
