"""Mixed precision by NVIDIA's apex, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from engine_optim.wrappers.optim_wrapper import OptimWrapper
from engine_registry import OPTIM_WRAPPERS

__all__ = ["ApexOptimWrapper"]


@OPTIM_WRAPPERS.register_module()
class ApexOptimWrapper(OptimWrapper):
    """`OptimWrapper` with ``apex.amp``; its maintainers advise `AmpOptimWrapper` instead.

    The parameters but the last are those of ``apex.amp.initialize``; ``**kwargs`` are those of
    `OptimWrapper`. ``ImportError`` if apex is not installed.
    """

    def __init__(
        self,
        opt_level: str = "O1",
        loss_scale: float | str | None = "dynamic",
        enabled: bool | None = True,
        cast_model_type: torch.dtype | None = None,
        patch_torch_functions: bool | None = None,
        keep_batchnorm_fp32: bool | str | None = None,
        master_weights: bool | None = None,
        cast_model_outputs: torch.dtype | None = None,
        num_losses: int = 1,
        verbosity: int = 1,
        min_loss_scale: float | None = None,
        max_loss_scale: float | None = 2.0**24,
        **kwargs: Any,
    ) -> None:
        self._amp = _import_amp()
        super().__init__(**kwargs)
        self._settings = {
            "opt_level": opt_level,
            "loss_scale": loss_scale,
            "enabled": enabled,
            "cast_model_type": cast_model_type,
            "patch_torch_functions": patch_torch_functions,
            "keep_batchnorm_fp32": keep_batchnorm_fp32,
            "master_weights": master_weights,
            "cast_model_outputs": cast_model_outputs,
            "num_losses": num_losses,
            "verbosity": verbosity,
            "min_loss_scale": min_loss_scale,
            "max_loss_scale": max_loss_scale,
        }
        self._initialized = False
        self._early_state: dict[str, Any] | None = None

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Hand model and optimizer to apex at the first time; else as in `OptimWrapper`."""
        if not self._initialized:
            inner = getattr(model, "module", model)
            _, self.optimizer = self._amp.initialize(inner, self.optimizer, **self._settings)
            self._initialized = True
            if self._early_state is not None:
                self._amp.load_state_dict(self._early_state)
        with super().optim_context(model):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Compute gradients of the loss that apex scales."""
        with self._amp.scale_loss(loss, self.optimizer) as scaled:
            super().backward(scaled, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimizer and, as ``apex_amp``, of apex."""
        state = super().state_dict()
        state["apex_amp"] = self._amp.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; apex's part waits until the model is known."""
        state = dict(state_dict)
        early = state.pop("apex_amp", None)
        super().load_state_dict(state)
        if self._initialized and early is not None:
            self._amp.load_state_dict(early)
        else:
            self._early_state = early


def _import_amp() -> Any:
    try:
        from apex import amp
    except ImportError:
        raise ImportError(
            "ApexOptimWrapper needs NVIDIA's apex, which is not installed "
            "(https://github.com/NVIDIA/apex); AmpOptimWrapper does the same with torch alone"
        ) from None
    return amp
