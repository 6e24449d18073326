"""A wrapper for an optimizer that DeepSpeed's engine drives; the library is not imported."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from engine_optim.wrappers.base import BaseOptimWrapper
from engine_registry import OPTIM_WRAPPERS

__all__ = ["DeepSpeedOptimWrapper"]


@OPTIM_WRAPPERS.register_module()
class DeepSpeedOptimWrapper(BaseOptimWrapper):
    """Hand losses to an engine with ``backward`` and ``step``, which does all the rest.

    Accumulation, clipping and loss scaling are the engine's, from its own settings.

    Parameters
    ----------
    optimizer
        The optimizer that the engine made, for its parameter groups.
    """

    def __init__(self, optimizer: Any) -> None:
        super().__init__(optimizer)
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The engine; to be set before the first loss."""
        if self._model is None:
            raise ValueError("model attribute should be set before accessing: the engine")
        return self._model

    @model.setter
    def model(self, value: Any) -> None:
        self._model = value

    def update_params(self, loss: Tensor) -> None:
        """Hand the loss to the engine: gradients and, when it is due, the step."""
        self.backward(loss)
        self.step()

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Let the engine compute gradients."""
        self.model.backward(loss, **kwargs)

    def zero_grad(self, **kwargs: Any) -> None:
        """Refuse: the engine clears gradients when it makes a step."""
        raise NotImplementedError(
            "the engine clears gradients itself when it makes a step; do not call zero_grad"
        )

    def step(self, **kwargs: Any) -> None:
        """Let the engine make the step if it is due."""
        self.model.step(**kwargs)

    def state_dict(self) -> dict[str, Any]:
        """Return only the base settings: the engine saves the optimizer's state itself."""
        if self.base_param_settings is None:
            return {}
        return {"base_param_settings": self.base_param_settings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the base settings: the engine loads the optimizer's state itself."""
        base = state_dict.get("base_param_settings")
        if base is not None and self.base_param_settings is not None:
            self.base_param_settings.update(base)
