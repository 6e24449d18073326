"""A plain module, made to answer the steps."""

from __future__ import annotations

from typing import Any

from torch import nn

from engine_dist.protocols import StepModel
from engine_dist.wrappers import explain, parameters_of, unwrap
from engine_runner.model.base_model import BaseModel
from engine_runner.model.outputs import losses_of, samples_of

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

    def init_weights(self) -> None:
        """Let the module set its weights, if it can, but not one that came with weights."""
        set_weights = getattr(self.plain, "init_weights", None)
        if callable(set_weights) and not _is_hugging_face(self.plain):
            set_weights()

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


class _LossModel(_PlainModel):
    """Gives a module its steps whose forward takes no ``mode`` and returns its loss itself."""

    def forward(self, *args: Any, mode: str = "tensor", **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs)
        if mode == "loss":
            return losses_of(output, self.plain)
        return samples_of(output) if mode == "predict" else output


def as_step_model(module: nn.Module) -> nn.Module:
    """Return ``module``, or, if it has no steps of its own, one that runs them on it.

    A forward that takes ``mode`` is asked for losses and predictions by it. One that does not is
    to return the loss: a scalar, a dict or an object with ``loss``, as Hugging Face's models do,
    or a tuple that begins with it.
    """
    if isinstance(unwrap(module), StepModel):
        return module
    parameters = parameters_of(module).values()
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    by_mode = any(p.name == "mode" for p in parameters)
    if by_mode or (takes_any and not _is_hugging_face(module)):
        return _PlainModel(module)
    return _LossModel(module)


def _is_hugging_face(module: nn.Module) -> bool:
    return hasattr(module, "main_input_name")


def plain_module(model: nn.Module) -> nn.Module:
    """Return the user's own module, of one that `as_step_model` made or of any other."""
    return model.plain if isinstance(model, _PlainModel) else model
