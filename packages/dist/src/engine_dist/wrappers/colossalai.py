"""What ColossalAI's booster makes of a model, with the steps that the loops call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from engine_dist.wrappers import steps
from engine_registry import MODEL_WRAPPERS

__all__ = ["ColossalAIModelWrapper"]


@MODEL_WRAPPERS.register_module(name=["ColossalAIModelWrapper", "CollosalAIModelWrapper"])
class ColossalAIModelWrapper(nn.Module):
    """A boosted model with the steps that the loops call; what it has not, the user's module has.

    Parameters
    ----------
    model_wrapper : nn.Module
        What ``Booster.boost`` returned.
    model : nn.Module
        The user's module, inside of it.
    """

    def __init__(self, model_wrapper: nn.Module, model: nn.Module) -> None:
        super().__init__()
        self.model_wrapper = model_wrapper
        self._inner = (model,)  # a part of it already, and not twice

    def __getattr__(self, name: str) -> Any:
        """Return what the user's module knows by a name."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            inner = self.__dict__.get("_inner")
            if inner is None:  # not there yet
                raise
            return getattr(inner[0], name)

    @property
    def module(self) -> nn.Module:
        """The user's module."""
        return self._inner[0]

    model = property(lambda self: self._inner[0])  # MMEngine's name for it

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the boosted model."""
        return self.model_wrapper(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: Any) -> Mapping[str, Tensor]:
        """Run one training step; gradients are exchanged when a step follows."""
        return steps.train_step(self, self.module, data, optim_wrapper)

    def val_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""
        return self._predict(data)

    def test_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""
        return self._predict(data)

    def _predict(self, data: Any) -> Any:
        return steps.forward_batch(self, steps.preprocess(self.module, data, False), "predict")
