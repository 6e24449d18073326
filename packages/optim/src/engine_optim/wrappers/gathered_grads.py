"""The gradients of a step that is not made yet, to and from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, distributed

from engine_dist.unreduced_gradients import reduce_gathered
from engine_optim.wrappers.counts import ItemCounter

__all__ = ["grads_by_place", "put_grads", "scale_grads", "share"]


def share(optimizer: torch.optim.Optimizer, items: ItemCounter) -> bool:
    """Give every rank the mean of what the ranks have gathered and not exchanged yet.

    The step comes out the same, but for rounding: it takes the mean over the ranks. So one rank's
    gradients stand for those of all in a checkpoint, whatever number of ranks goes on from it.

    Returns
    -------
    bool
        Whether the parameters hold all that was gathered: some sharding wrappers keep it elsewhere.
    """
    if hasattr(items.model, "clip_grad_norm_"):
        return False
    if not (items.parallel and distributed.is_available() and distributed.is_initialized()):
        return True
    model: Any = items.model
    if hasattr(model, "set_requires_gradient_sync"):
        if not reduce_gathered(model):
            return False
        _share_items(items, optimizer)
        return True
    params = [param for _, param in _placed(optimizer) if param.requires_grad]
    if not params:
        return True
    ranks = distributed.get_world_size(items.group)
    # a parameter that one rank alone has used is one that all must exchange
    used = torch.tensor([float(p.grad is not None) for p in params], device=params[0].device)
    distributed.all_reduce(used, group=items.group)
    for param, count in zip(params, used.tolist(), strict=True):
        if count:
            grad = torch.zeros_like(param) if param.grad is None else param.grad
            distributed.all_reduce(grad, group=items.group)
            param.grad = grad.div_(ranks)
    _share_items(items, optimizer)
    return True


def _share_items(items: ItemCounter, optimizer: torch.optim.Optimizer) -> None:
    if not items.pending:
        return
    device = next(param.device for _, param in _placed(optimizer))
    total = torch.as_tensor(items.total, dtype=torch.float32, device=device).clone()
    distributed.all_reduce(total, group=items.group)
    items.total = total / distributed.get_world_size(items.group)


def grads_by_place(optimizer: torch.optim.Optimizer) -> dict[int, Tensor]:
    """Return the gradients by the place of their parameter, as the optimizer's state counts."""
    return {
        place: param.grad.detach().clone()
        for place, param in _placed(optimizer)
        if param.grad is not None
    }


def put_grads(optimizer: torch.optim.Optimizer, grads: Mapping[int, Tensor]) -> None:
    """Give the parameters their gradients back.

    Raises
    ------
    ValueError
        If a gradient is of another shape than its parameter.
    """
    for place, param in _placed(optimizer):
        grad = grads.get(place)
        if grad is None:
            param.grad = None
            continue
        if grad.shape != param.shape:
            raise ValueError(
                f"the saved gradient of parameter {place} has the shape {tuple(grad.shape)}, the "
                f"parameter {tuple(param.shape)}"
            )
        param.grad = grad.to(device=param.device, dtype=param.dtype, copy=True)


def scale_grads(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Multiply all gradients."""
    for _, param in _placed(optimizer):
        if param.grad is not None:
            param.grad.mul_(factor)


def _placed(optimizer: torch.optim.Optimizer) -> Iterator[tuple[int, Tensor]]:
    return enumerate(param for group in optimizer.param_groups for param in group["params"])
