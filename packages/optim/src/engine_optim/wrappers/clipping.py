"""Gradient clipping, by the one norm over all parameters wherever their shards lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm

from engine_optim.errors import OptimError

__all__ = ["Clip", "clip_by_norm", "global_norm", "numbers_of"]

_ALLOWED = {
    "norm": ("max_norm", "norm_type", "error_if_nonfinite", "foreach"),
    "value": ("clip_value", "foreach"),
}
_NEEDED = {"norm": "max_norm", "value": "clip_value"}


class Clip:
    """A checked ``clip_grad`` setting.

    Parameters
    ----------
    settings
        ``type`` (``"norm"``, the default, or ``"value"``) and the arguments of torch's
        ``clip_grad_norm_`` or ``clip_grad_value_``.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        if not isinstance(settings, dict) or not settings:
            raise OptimError(
                f"clip_grad takes a dict such as dict(max_norm=1.0), got {settings!r}"
            )
        self.kwargs = dict(settings)
        self.kind: str = self.kwargs.pop("type", "norm")
        if self.kind not in _ALLOWED:
            raise OptimError(f"clip_grad: type {self.kind!r} is unknown; it is 'norm' or 'value'")
        unknown = sorted(set(self.kwargs) - set(_ALLOWED[self.kind]))
        if unknown or _NEEDED[self.kind] not in self.kwargs:
            what = f"unknown {unknown}" if unknown else f"{_NEEDED[self.kind]!r} is missing"
            raise OptimError(
                f"clip_grad by {self.kind}: {what}; it takes {list(_ALLOWED[self.kind])}"
            )
        _check_bound(_NEEDED[self.kind], self.kwargs[_NEEDED[self.kind]])

    def __call__(
        self, params: list[Tensor], sharded_clip: Callable[..., Tensor] | None = None
    ) -> Tensor | None:
        """Clip the gradients; return the norm before, or None if clipped by value."""
        if self.kind == "value":
            for bucket in _by_mesh(params).values():
                plain = [param for param in bucket if not _is_sparse(param)]
                if plain:
                    clip_grad_value_(plain, **self.kwargs)
                for param in bucket:
                    if _is_sparse(param):
                        value = self.kwargs["clip_value"]
                        numbers_of(param).clamp_(-value, value)
            return None
        if sharded_clip is not None:
            kept = {k: v for k, v in self.kwargs.items() if k in ("max_norm", "norm_type")}
            return sharded_clip(**kept)
        return clip_by_norm(params, **self.kwargs)


def _check_bound(name: str, value: Any) -> None:
    """Refuse what clips to nothing sensible: a bound below 0 turns the gradients round."""
    try:
        good = float(value) >= 0
    except (TypeError, ValueError):
        good = False
    if not good:
        raise OptimError(f"clip_grad: {name} is a number of 0 or more, got {value!r}")


def clip_by_norm(
    params: list[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients so that their joint norm is at most ``max_norm``; return the norm.

    Parameters with shards (DTensor), also on different meshes, and plain ones may be mixed.
    """
    norm = global_norm(params, norm_type, error_if_nonfinite, foreach)
    for bucket in _by_mesh(params).values():
        plain = [param for param in bucket if not _is_sparse(param)]
        if plain:
            clip_grads_with_norm_(plain, max_norm, norm, foreach)
        for param in bucket:
            if _is_sparse(param):  # as torch scales the others
                numbers_of(param).mul_((max_norm / (norm + 1e-6)).clamp(max=1.0))
    return norm


def global_norm(
    params: Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Return the norm of all gradients as one plain tensor with no dimension."""
    norms = [
        _largest(grads, mesh)
        if mesh is not None and norm_type == math.inf
        else _full(get_total_norm(grads, norm_type, False, foreach))
        for mesh, bucket in _by_mesh(params).items()
        for grads in [[numbers_of(p) for p in bucket]]
    ]
    if not norms:
        return torch.tensor(0.0)
    first = norms[0]
    total = first
    if len(norms) > 1:
        stacked = torch.stack([norm.to(first.device) for norm in norms])
        total = torch.linalg.vector_norm(stacked, norm_type)
    if error_if_nonfinite and not torch.isfinite(total):
        raise RuntimeError(
            f"the norm of order {norm_type} of the gradients is {float(total)}, so they cannot be "
            "clipped; to go on nevertheless set error_if_nonfinite=False"
        )
    return total


def _largest(grads: list[Tensor], mesh: Any) -> Tensor:
    """Return the largest magnitude; torch has no such norm of the empty shards that ranks may hold.

    Replicas do not disturb a maximum, so that every placement is served by the same reduction.
    """
    shards = [grad.to_local() for grad in grads]  # type: ignore[attr-defined]  # DTensors
    norms = [shard.abs().max() for shard in shards if shard.numel()]
    largest = torch.stack([shards[0].new_zeros(()), *norms]).max()
    largest = largest.nan_to_num(math.inf, math.inf)  # a reduction may drop what is no number
    for dim in range(mesh.ndim):
        distributed.all_reduce(largest, distributed.ReduceOp.MAX, mesh.get_group(dim))
    return largest


def _by_mesh(params: Iterable[Tensor]) -> dict[Any, list[Tensor]]:
    """Group parameters so that one foreach call can take each group."""
    buckets: dict[Any, list[Tensor]] = {}
    for param in params:
        if param.grad is not None:
            buckets.setdefault(getattr(param.grad, "device_mesh", None), []).append(param)
    return buckets


def _is_sparse(param: Tensor) -> bool:
    return param.grad is not None and param.grad.layout is torch.sparse_coo


def numbers_of(param: Tensor) -> Tensor:
    """Return a parameter's gradient; of a sparse one its numbers, those of one place added up."""
    assert param.grad is not None  # for the type checker: `_by_mesh` left out the others
    if not _is_sparse(param):
        return param.grad
    param.grad = param.grad.coalesce()
    return param.grad._values()


def _full(norm: Tensor) -> Tensor:
    full = getattr(norm, "full_tensor", None)
    return full() if full is not None else norm
