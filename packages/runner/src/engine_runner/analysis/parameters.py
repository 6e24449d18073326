"""How many parameters a model has, and each of its modules."""

from __future__ import annotations

from collections import defaultdict

from torch import nn

from .tables import table

__all__ = ["parameter_count", "parameter_count_table"]


def parameter_count(model: nn.Module) -> defaultdict[str, int]:
    """Count the elements of a model's parameters.

    Parameters
    ----------
    model : nn.Module
        The model. A parameter that it has twice is counted once, under its first name.

    Returns
    -------
    defaultdict
        By the name of each module with parameters, of each parameter, and under ``""`` of all.

    Examples
    --------
    >>> dict(parameter_count(nn.Sequential(nn.Linear(2, 3))))
    {'': 9, '0': 9, '0.weight': 6, '0.bias': 3}
    """
    counts: defaultdict[str, int] = defaultdict(int)
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        for length in range(len(parts) + 1):
            counts[".".join(parts[:length])] += parameter.numel()
    return counts


def parameter_count_table(model: nn.Module, max_depth: int = 3) -> str:
    """Return a table of a model's parameters: their shapes, and how many a module has.

    Parameters
    ----------
    model : nn.Module
        The model.
    max_depth : int
        How deep the table goes; 0 is the model alone.
    """
    counts = parameter_count(model)
    shapes = {name: str(tuple(one.shape)) for name, one in model.named_parameters()}
    rows = [("model", _short(counts.pop("", 0)))]
    for name, count in counts.items():
        depth = name.count(".") + 1
        if depth <= max_depth:
            indent = " " * depth
            rows.append((indent + name, indent + shapes.get(name, _short(count))))
    title = f"parameter count of {type(model).__name__}"
    return table(("name", "#elements or shape"), rows, title)


def _short(count: int) -> str:
    for above, unit, letter in ((1e8, 1e9, "G"), (1e5, 1e6, "M"), (1e2, 1e3, "K")):
        if count > above:
            return f"{count / unit:.1f}{letter}"
    return str(count)
