"""The norms of gradients, module by module."""

from __future__ import annotations

from torch import Tensor, nn

from engine_optim.wrappers.clipping import global_norm

__all__ = ["group_by_module", "module_norms"]


def group_by_module(model: nn.Module, depth: int) -> dict[str, list[Tensor]]:
    """Return the parameters that are trained, by the first ``depth`` parts of their module's name.

    A parameter of the model itself stands by its own name.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> {name: len(params) for name, params in group_by_module(model, 1).items()}
    {'0': 2, '2': 2}
    """
    groups: dict[str, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parts = name.split(".")
            module = ".".join(parts[:-1][:depth]) or name
            groups.setdefault(module, []).append(parameter)
    return groups


def module_norms(groups: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    """Return the norm of each group's gradients, left on its device.

    Each is one `torch._foreach_norm` over the group, of shards over all ranks that hold them. A
    group without gradients is left out.
    """
    return {
        name: global_norm(params)
        for name, params in groups.items()
        if any(param.grad is not None for param in params)
    }
