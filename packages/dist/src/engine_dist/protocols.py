"""What this floor expects of the objects that the floors above hand to it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = ["OptimizerUpdater", "Stateful", "StepModel"]


@runtime_checkable
class Stateful(Protocol):
    """Anything whose state goes into a checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state over."""


class OptimizerUpdater(Protocol):
    """The part of an optimizer wrapper that a training step uses."""

    def optim_context(self, model: nn.Module) -> AbstractContextManager[Any]:
        """Return the context of the forward pass: precision, gradient synchronisation."""

    def update_params(self, loss: Tensor) -> None:
        """Run backward and, when due, step and clear the gradients."""


@runtime_checkable
class StepModel(Protocol):
    """A model that knows how to run its own steps."""

    def train_step(self, data: Any, optim_wrapper: Any) -> Mapping[str, Tensor]:
        """Update the parameters from one batch and return what to log."""

    def val_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""

    def test_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""
