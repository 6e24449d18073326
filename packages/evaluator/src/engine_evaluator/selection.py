"""Finding a value by its name, with or without its prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def get_metric_value(indicator: str, metrics: Mapping[str, Any]) -> Any:
    """Return the value that an indicator, such as that of the best checkpoint, means.

    Parameters
    ----------
    indicator : str
        A full name (``'accuracy/top1'``), or a name without its prefix if only one value has it.
    metrics : mapping of str to value

    Raises
    ------
    ValueError
        If no value has the name, or several have.

    Examples
    --------
    >>> get_metric_value("top1", {"accuracy/top1": 0.9, "loss": 0.1})
    0.9
    """
    if "/" in indicator:
        matching = [name for name in metrics if name == indicator]
    else:
        matching = [name for name in metrics if name.rpartition("/")[2] == indicator]
    if len(matching) != 1:
        found = f"means several of: {matching}; write one in full" if matching else "is none of"
        raise ValueError(f"the metric {indicator!r} {found} {'' if matching else list(metrics)}")
    return metrics[matching[0]]
