"""DeepSpeed's engine, with the steps that the loops call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist.wrappers import steps
from engine_registry import MODEL_WRAPPERS

__all__ = ["MMDeepSpeedEngineWrapper"]


@MODEL_WRAPPERS.register_module()
class MMDeepSpeedEngineWrapper(nn.Module):
    """A DeepSpeed engine with the steps that the loops call; what it has not, the engine has.

    Parameters
    ----------
    model : DeepSpeedEngine
        What ``deepspeed.initialize`` returned.
    inputs_to_half : sequence of int or str, optional
        Which arguments of ``forward`` become tensors of the engine's precision, by position or by
        name; tensors of whole numbers stay. By default none does, and the model is to cast them.
    """

    def __init__(self, *, model: Any, inputs_to_half: Sequence[int | str] | None = None) -> None:
        super().__init__()
        self.model = model
        self._inputs_to_half = frozenset(inputs_to_half or ())

    def __getattr__(self, name: str) -> Any:
        """Return what the engine knows by a name."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "model":  # not there yet
                raise
            return getattr(super().__getattr__("model"), name)

    @property
    def module(self) -> nn.Module:
        """The user's module."""
        module: nn.Module = self.model.module
        return module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the engine; inputs that are to be of its precision become so."""
        half = self._inputs_to_half
        if half:
            args = tuple(self._cast(v) if i in half else v for i, v in enumerate(args))
            kwargs = {k: self._cast(v) if k in half else v for k, v in kwargs.items()}
        return self.model(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: Any) -> Mapping[str, Tensor]:
        """Run one training step; the engine exchanges gradients, and steps when it is due."""
        return steps.train_step(self, self.module, data, optim_wrapper)

    def val_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""
        return self._predict(data)

    def test_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""
        return self._predict(data)

    def _predict(self, data: Any) -> Any:
        return steps.forward_batch(self, steps.preprocess(self.module, data, False), "predict")

    def _cast(self, value: Any) -> Any:
        """Cast the floating tensors of an input, however nested."""
        if isinstance(value, Tensor):
            return value.to(self._precision) if value.is_floating_point() else value
        if isinstance(value, Mapping):
            return {key: self._cast(v) for key, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._cast(v) for v in value)
        return value

    @property
    def _precision(self) -> torch.dtype:
        if self.model.fp16_enabled():
            return torch.float16
        return torch.bfloat16 if self.model.bfloat16_enabled() else torch.float32
