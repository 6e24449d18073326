"""The gradients that FSDP2 keeps whole on each process, until a backward pass is to exchange them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as torch_dist
from torch import Tensor, nn

from engine_dist.data_device import get_comm_device
from engine_dist.late import is_dtensor
from engine_dist.ranks import get_world_size
from engine_dist.scattering import split_like
from engine_dist.watch import noted

__all__ = ["reduce_gathered"]


@torch.no_grad()
@noted
def reduce_gathered(model: nn.Module) -> bool:
    """Give split parameters, as their ``grad``, the mean of what the processes have gathered so far.

    Backward passes add to that: the step comes out the same, but for rounding. Every process calls it.
    torch offers no way to it, so it reads what it keeps; one parameter is whole at a time.

    Returns
    -------
    bool
        False where that is kept in a way that is not known: nothing was changed then.
    """
    known = [_Kept.of(param) for param in _split_params(model)]
    params = [param for param in known if param is not None]
    if not params or len(params) < len(known):
        return False
    device = get_comm_device()
    used = torch.tensor([float(param.grad is not None) for param in params], device=device)
    torch_dist.all_reduce(used)
    for param, count in zip(params, used.tolist(), strict=True):
        if count:
            param.reduce(device)
    return True


class _Kept:
    """What FSDP2 keeps of a parameter.

    Attributes
    ----------
    sharded : DTensor
        The parameter as the optimizer has it.
    grad : Tensor, optional
        What this process alone has gathered.
    """

    def __init__(self, own: Any, sharded: Any, grad: Tensor | None) -> None:
        self.sharded = sharded
        self.grad = grad
        self._own = own

    @classmethod
    def of(cls, own: Any) -> _Kept | None:
        """Return it of a parameter; None where it is not kept as in the releases that are known."""
        sharded = getattr(own, "sharded_param", None)
        if not is_dtensor(sharded) or not hasattr(own, "unsharded_accumulated_grad"):
            return None
        dealt = getattr(getattr(own, "mesh_info", None), "mesh", None)
        if dealt is None or dealt.ndim != sharded.device_mesh.ndim:
            return None  # split over a second dimension, besides
        grad = own.unsharded_accumulated_grad
        if grad is None and hasattr(own, "_unsharded_param"):
            grad = own._unsharded_param.grad
        if grad is not None and grad.shape != sharded.shape:
            return None
        return cls(own, sharded, grad)

    def reduce(self, device: torch.device) -> None:
        """Exchange it; what has gathered nothing counts as zeros, on that device."""
        grad = self.grad
        if grad is None:
            grad = torch.zeros(self.sharded.shape, dtype=self.sharded.dtype, device=device)
        torch_dist.all_reduce(grad)
        mean = grad.div_(get_world_size()).to(self.sharded.dtype)
        part: Any = split_like(mean, self.sharded)
        if self.sharded.grad is not None:
            part += self.sharded.grad
        self.sharded.grad = part
        self._own.unsharded_accumulated_grad = None
        if hasattr(self._own, "_unsharded_param"):
            self._own._unsharded_param.grad = None


def _split_params(model: nn.Module) -> Iterator[Any]:
    """Yield what FSDP2 keeps of each parameter, in the order of the modules."""
    for module in model.modules():
        ask = getattr(module, "_get_fsdp_state", None)
        state = None if ask is None else ask()
        # of newer releases a module has several
        groups = getattr(state, "_fsdp_param_groups", None)
        if groups is None:
            groups = [getattr(state, "_fsdp_param_group", None)]
        for group in groups:
            yield from getattr(group, "fsdp_params", ())
