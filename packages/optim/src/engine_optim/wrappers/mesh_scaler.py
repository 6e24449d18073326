"""torch's scaler of losses, where parameters are of several meshes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from engine_dist.mixed_meshes import each_mesh

__all__ = ["MeshScaler"]


class MeshScaler(GradScaler):
    """`torch.amp.GradScaler`, whose kernels take the gradients of one mesh at a time.

    Parameters as in ``torch.amp.GradScaler``.
    """

    def _unscale_grads_(
        self, optimizer: torch.optim.Optimizer, *given: Tensor | bool
    ) -> dict[torch.device, Tensor]:
        found: dict[torch.device, Tensor] = {}
        for _ in each_mesh(optimizer):
            for device, flag in super()._unscale_grads_(optimizer, *given).items():  # type: ignore[arg-type]  # passed on
                before = found.get(device)
                found[device] = flag if before is None else torch.maximum(before, flag)
        return found
