"""Parameters of several meshes, and plain ones, under one optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MethodType
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["each_mesh", "step_by_mesh"]


def each_mesh(optimizer: Any) -> Iterator[None]:
    """Let an optimizer have the parameters of one mesh at a time, while this is iterated over.

    One call of a foreach or fused kernel takes no tensors of several meshes, nor plain ones beside
    those that are split.
    """
    groups = [(group, group["params"]) for group in optimizer.param_groups]
    meshes = list(dict.fromkeys(_mesh_of(param) for _, params in groups for param in params))
    if len(meshes) < 2:
        yield
        return
    try:
        for mesh in meshes:
            for group, params in groups:
                group["params"] = [param for param in params if _mesh_of(param) == mesh]
            yield
    finally:
        for group, params in groups:
            group["params"] = params


def step_by_mesh(made: Any) -> None:
    """Let an optimizer that takes tensors by the list step once for the parameters of each mesh.

    One of foreach or fused kernels alone: the others take one tensor after the other.

    Parameters
    ----------
    made
        An optimizer, what holds one as ``optimizer``, several such as ``optim_wrappers``, or None.
    """
    several = getattr(made, "optim_wrappers", None)
    for one in [made] if several is None else several.values():
        optimizer = getattr(one, "optimizer", one)
        if isinstance(optimizer, Optimizer) and _lists(optimizer):
            step: Any = Optimizer.profile_hook_step(_by_mesh(_without_hooks(optimizer)))
            optimizer.step = MethodType(step, optimizer)  # type: ignore[method-assign]  # of this one alone


def _lists(optimizer: Optimizer) -> bool:
    """Tell whether an optimizer was asked for such kernels, and would meet several meshes there."""
    asked = any(group.get("foreach") or group.get("fused") for group in optimizer.param_groups)
    params = [param for group in optimizer.param_groups for param in group["params"]]
    return asked and "step" not in vars(optimizer) and len(set(map(_mesh_of, params))) > 1


def _without_hooks(optimizer: Optimizer) -> Callable[[Optimizer], Any]:
    """Return the step of an optimizer's class, without its hooks, which are to be called once."""
    step: Any = type(optimizer).step
    own: Callable[[Optimizer], Any] = step.__wrapped__ if getattr(step, "hooked", False) else step
    return own


def _by_mesh(whole: Callable[[Optimizer], Any]) -> Callable[..., Any]:
    def step(self: Optimizer, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # what an optimizer keeps of a group, as a count of steps, goes on once
        before = [_settings(group) for group in self.param_groups]
        for _ in each_mesh(self):
            for group, settings in zip(self.param_groups, before, strict=True):
                group.update(settings)
            whole(self)
        return loss

    return step


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _mesh_of(param: Tensor) -> Any:
    return getattr(param, "device_mesh", None)
