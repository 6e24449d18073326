"""Losses that average over different numbers of items, made one average over all of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed

__all__ = ["ItemCounter", "local_grads"]


class ItemCounter:
    """Weigh each micro-batch by its number of items and divide by the sum over all ranks.

    A loss that averages over ``n`` items is multiplied by ``n`` before its gradients are
    computed; before the step the gradients are divided by the sum of all ``n``, over the
    micro-batches and the ranks of ``group``. Data-parallel wrappers average gradients over
    their ranks, which is undone. The sum is one collective of one number a step, and nothing
    waits for the device.
    """

    def __init__(self) -> None:
        self.total: float | Tensor = 0.0
        self.pending = False
        self.model: object = None
        self.parallel = False
        self.group: Any = None

    def watch(self, model: object) -> None:
        """Learn from a data-parallel wrapper over which ranks it averages."""
        self.model = model
        self.parallel = hasattr(model, "no_sync") or hasattr(model, "set_requires_gradient_sync")
        self.group = _group_of(model) if self.parallel else None

    def weigh(self, loss: Tensor, count: float | Tensor) -> Tensor:
        """Return the loss times the number of its items, and remember the number."""
        if isinstance(count, Tensor):
            count = count.detach()
        self.total = self.total + count
        self.pending = True
        return loss * count

    def rescale(self, params: list[Tensor]) -> None:
        """Divide the gradients by the number of items of all micro-batches and ranks."""
        factor = self._factor(params)
        self.total, self.pending = 0.0, False
        buckets: dict[torch.device, list[Tensor]] = {}
        for grad in local_grads(params):
            buckets.setdefault(grad.device, []).append(grad)
        for device, grads in buckets.items():
            here = factor.to(device) if isinstance(factor, Tensor) else factor
            torch._foreach_mul_(grads, here)

    def _factor(self, params: list[Tensor]) -> float | Tensor:
        total, world = self.total, 1
        if self.parallel and distributed.is_available() and distributed.is_initialized():
            world = distributed.get_world_size(self.group)
            total = self._sum_over_ranks(total, params)
        if isinstance(total, Tensor):
            return torch.where(total > 0, world / total, torch.zeros_like(total))
        return world / total if total > 0 else 0.0

    def _sum_over_ranks(self, total: float | Tensor, params: list[Tensor]) -> Tensor:
        if isinstance(total, Tensor):
            total = total.to(torch.float64 if total.device.type == "cpu" else torch.float32)
            total = total.clone()
        else:  # filled on the device: no copy to wait for
            device = params[0].device if params else torch.device("cpu")
            total = torch.full((), total, dtype=torch.float32, device=device)
        distributed.all_reduce(total, group=self.group)
        return total


def local_grads(params: list[Tensor]) -> list[Tensor]:
    """Return this rank's gradients, of sharded parameters the shards."""
    with torch.no_grad():
        return [
            grad.to_local() if hasattr(grad, "to_local") else grad
            for grad in (param.grad for param in params)
            if grad is not None
        ]


def _group_of(model: object) -> Any:
    group = getattr(model, "process_group", None)
    if group is not None:
        return group
    parameters = getattr(model, "parameters", None)
    for param in parameters() if parameters is not None else ():
        mesh = getattr(param, "device_mesh", None)
        if mesh is not None:
            return _data_parallel_group(mesh)
    return None


def _data_parallel_group(mesh: Any) -> Any:
    """Return the group of a mesh with one dimension; of one with more, all ranks' (None)."""
    return mesh.get_group() if mesh.ndim == 1 else None
