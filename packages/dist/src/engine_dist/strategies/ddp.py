"""One replica a process, gradients averaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from engine_dist.checkpoint.state_dicts import get_state_dict
from engine_dist.strategies.surface import BaseStrategy
from engine_dist.strategies.wrapping.replicated import Replicated, Wrap
from engine_dist.wrappers.unwrapping import unwrap
from engine_registry import STRATEGIES

__all__ = ["DDPStrategy"]


@STRATEGIES.register_module()
class DDPStrategy(BaseStrategy):
    """Train one replica a process with ``DistributedDataParallel``.

    Parameters
    ----------
    model_wrapper : dict or callable, optional
        What wraps the model: the configuration of one of ``MODEL_WRAPPERS``, by default an
        `MMDistributedDataParallel` (with ``find_unused_parameters``, ``static_graph``,
        ``gradient_as_bucket_view``, ``communication_hook``, …), or a function of the model.
        Buffers are not broadcast at every step unless ``broadcast_buffers`` says so.
    sync_bn : {"torch", "mmcv"}, optional
        Normalise over the batches of all processes; see `convert_sync_batchnorm`.
    device : str or torch.device, optional
        Where the model goes; by default this process' accelerator, or the CPU.
    **roles
        The other parameters of `BaseStrategy`.

    Examples
    --------
    >>> strategy = DDPStrategy({"static_graph": True}, sync_bn="torch")
    """

    def __init__(
        self,
        model_wrapper: Mapping[str, Any] | Wrap | None = None,
        sync_bn: Literal["torch", "mmcv"] | None = None,
        device: str | torch.device | None = None,
        **roles: Any,
    ) -> None:
        self._replicated = Replicated({} if model_wrapper is None else model_wrapper, sync_bn)
        super().__init__(device, wrapping=self._replicated, **roles)

    def convert_model(self, model: nn.Module) -> nn.Module:
        """Return the model with the batch norms that ``sync_bn`` asks for."""
        return self._replicated.convert(model)

    def _state_of(self, model: nn.Module) -> dict[str, Any]:
        """Return the state of the user's module, the same whatever wraps it or its parts."""
        return get_state_dict(unwrap(model))
