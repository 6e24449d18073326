"""A plain module, made to answer the steps."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from engine_dist.protocols import StepModel
from engine_dist.wrappers import unwrap
from engine_runner.model.base_model import BaseModel

__all__ = ["as_step_model"]


class _PlainModel(BaseModel):
    """Gives a module that is no `BaseModel` its steps; parameters keep their names."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(getattr(module, "data_preprocessor", None))
        self._modules["data_preprocessor"] = self.data_preprocessor
        self.plain = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.plain(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        # as the module alone would write it
        return self.plain.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.plain.load_state_dict(*args, **kwargs)


def as_step_model(module: nn.Module) -> nn.Module:
    """Return ``module``, or, if it has no steps of its own, one that runs them on it.

    Raises
    ------
    TypeError
        If ``forward`` takes no ``mode`` by which to ask it for losses.
    """
    if isinstance(unwrap(module), StepModel):
        return module
    parameters = inspect.signature(module.forward).parameters.values()
    if not any(p.name == "mode" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(
            f"{type(module).__name__} cannot be trained: it has no train_step, and its forward "
            "takes no 'mode'; derive from engine_runner.model.BaseModel, or let forward(..., "
            "mode) return a dict of losses for mode='loss' and predictions for mode='predict'"
        )
    return _PlainModel(module)
