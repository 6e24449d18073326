"""Activations computed anew in the backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from engine_dist.strategies.activation.activation import Activation
from engine_dist.strategies.choosing import Choice

__all__ = ["Checkpointed"]


@dataclass(frozen=True)
class Checkpointed(Activation):
    """Recompute the activations of chosen modules rather than keep them.

    Parameters
    ----------
    choice : Choice
        Which modules.
    """

    choice: Choice

    def apply(self, model: nn.Module) -> None:
        """Let the chosen modules recompute."""
        for module in self.choice.of(model).values():
            module.forward = partial(checkpoint, module.forward, use_reentrant=False)
