"""A plain module, made to answer the steps."""

from __future__ import annotations

from typing import Any

from torch import nn

from engine_dist.protocols import StepModel
from engine_dist.wrappers import explain, parameters_of, unwrap
from engine_runner.model.base_model import BaseModel

__all__ = ["as_step_model", "plain_module"]


class _PlainModel(BaseModel):
    """Gives a module that is no `BaseModel` its steps; parameters keep their names.

    Of a batch it is given what it asks for by name.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(getattr(module, "data_preprocessor", None))
        self._modules["data_preprocessor"] = self.data_preprocessor
        self.plain = module
        parameters = parameters_of(module)
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self._taken = None if takes_all else frozenset(parameters)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        asked = kwargs
        if self._taken is not None:
            asked = {key: value for key, value in kwargs.items() if key in self._taken}
        try:
            return self.plain(*args, **asked)
        except (TypeError, AttributeError) as error:
            batch = {key: value for key, value in kwargs.items() if key != "mode"}
            explain(error, self.plain, args or batch, partial=True)
            raise

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
    parameters = parameters_of(module).values()
    if not any(p.name == "mode" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(
            f"{type(module).__name__} cannot be trained: it has no train_step, and its forward "
            "takes no 'mode'; derive from engine_runner.model.BaseModel, or let forward(..., "
            "mode) return a dict of losses for mode='loss' and predictions for mode='predict'"
        )
    return _PlainModel(module)


def plain_module(model: nn.Module) -> nn.Module:
    """Return the user's own module, of one that `as_step_model` made or of any other."""
    return model.plain if isinstance(model, _PlainModel) else model
