"""Lists of parameter groups: merged, handed to an optimizer, shown."""

from __future__ import annotations

import inspect
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from engine_registry import OPTIMIZERS

__all__ = ["build_optimizer", "merge_groups", "param_table"]

Groups = list[dict[str, Any]]


def merge_groups(groups: Groups) -> Groups:
    """Return one group for all that have the same settings, in the order of the first of each.

    >>> merge_groups([{"params": [1], "lr": 2}, {"params": [3]}, {"params": [4], "lr": 2}])
    [{'params': [1, 4], 'lr': 2}, {'params': [3]}]
    """
    merged: dict[Any, dict[str, Any]] = {}
    for group in groups:
        settings = group.copy()
        params = settings.pop("params")
        try:
            key: Any = frozenset(settings.items())
        except TypeError:  # a list, say
            key = repr(sorted(settings.items(), key=itemgetter(0)))
        if key in merged:
            merged[key]["params"].extend(params)
        else:
            merged[key] = {"params": list(params), **settings}
    return list(merged.values())


def build_optimizer(cfg: dict[str, Any], groups: Groups) -> torch.optim.Optimizer:
    """Build the optimizer of a configuration for the groups.

    torch's optimizers compare each group that is added with all before it. Many groups are
    therefore merged for the construction and parted after it.
    """
    kind = OPTIMIZERS.get(cfg["type"]) if isinstance(cfg.get("type"), str) else cfg.get("type")
    adds = getattr(kind, "add_param_group", None)
    name = _first_parameter(kind)
    plain = groups[0]["params"] if len(groups) == 1 and len(groups[0]) == 1 else groups
    if adds is not torch.optim.Optimizer.add_param_group or len(groups) < 100:
        optimizer: torch.optim.Optimizer = OPTIMIZERS.build(cfg, default_args={name: plain})
        return optimizer
    # the first one stays alone: an optimizer that takes but one group shall see that here are more
    merged = [groups[0], *merge_groups(groups[1:])]
    optimizer = OPTIMIZERS.build(cfg, default_args={name: merged})
    _part(optimizer, groups)
    return optimizer


def _part(optimizer: torch.optim.Optimizer, groups: Groups) -> None:
    """Replace the optimizer's groups by the given ones, with the settings that it completed."""
    complete = {id(param): group for group in optimizer.param_groups for param in group["params"]}
    optimizer.param_groups[:] = [
        {**complete[id(group["params"][0])], "params": list(group["params"])} for group in groups
    ]


def _first_parameter(kind: Any) -> str:
    """Return the name under which an optimizer takes parameters; not all say ``params``."""
    try:
        names = list(inspect.signature(kind).parameters)
    except (TypeError, ValueError):
        return "params"
    return "params" if not names or "params" in names else names[0]


def param_table(model: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """Return a table of what each parameter got: its group, and the settings that differ.

    >>> model = nn.Linear(2, 1)
    >>> groups = [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.2}]
    >>> print(param_table(model, torch.optim.SGD(groups, lr=0.1)))
    parameter  shape   group  lr   weight_decay
    weight     (1, 2)  0      0.1  0
    bias       (1,)    1      0.2  0
    """
    groups = optimizer.param_groups
    held = {
        id(param): (index, group)
        for index, group in enumerate(groups)
        for param in group["params"]
    }
    varying = [
        name
        for name in groups[0]
        if name not in ("params", "lr", "weight_decay")
        and any(repr(group.get(name)) != repr(groups[0][name]) for group in groups)
    ]
    columns = [name for name in ("lr", "weight_decay") if name in groups[0]] + varying
    rows = [["parameter", "shape", "group", *columns]]
    for name, param in model.named_parameters():
        index, group = held.get(id(param), ("none" if param.requires_grad else "frozen", {}))
        values = [_shown(group[column]) for column in columns] if group else []
        values += [""] * (len(columns) - len(values))
        rows.append([name, str(tuple(param.shape)), str(index), *values])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
