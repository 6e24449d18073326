"""One replica a process, gradients averaged."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from engine_dist.strategies.strategy import Strategy
from engine_dist.wrappers.ddp import MMDistributedDataParallel
from engine_registry import STRATEGIES

__all__ = ["DDPStrategy"]


@STRATEGIES.register_module()
class DDPStrategy(Strategy):
    """Train one replica a process with ``DistributedDataParallel``.

    Parameters
    ----------
    wrapper : callable, optional
        Makes the wrapper from the model; by default `MMDistributedDataParallel` with buffers that
        are not broadcast at every step, as MMEngine has it.
    device : str or torch.device, optional
        Where the model goes; by default this process' accelerator, or the CPU.
    """

    def __init__(
        self,
        wrapper: Callable[[nn.Module], nn.Module] | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(device)
        self._wrapper = wrapper

    def wrap(self, model: nn.Module) -> nn.Module:
        """Wrap the model, unless there is nothing to average."""
        if not any(p.requires_grad for p in model.parameters()):
            return model
        if self._wrapper is not None:
            return self._wrapper(model)
        devices = [self.device.index] if self.device.type == "cuda" else None
        return MMDistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)
