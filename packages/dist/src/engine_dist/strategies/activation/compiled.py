"""Blocks compiled one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from engine_dist.strategies.activation.activation import Activation
from engine_dist.strategies.choosing import Choice

__all__ = ["Compiled"]


@dataclass(frozen=True)
class Compiled(Activation):
    """Compile the forward of each chosen module, so that equal blocks share one compilation.

    Parameters
    ----------
    choice : Choice
        Which modules.
    options : Mapping
        Arguments of `torch.compile`.
    """

    choice: Choice
    options: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, model: nn.Module) -> None:
        """Compile the chosen modules; the names in the state stay as they are."""
        for module in self.choice.of(model).values():
            module.forward = torch.compile(module.forward, **self.options)
