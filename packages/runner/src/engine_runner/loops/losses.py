"""The losses that a model gives along with its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engine_dataset import BaseDataElement
from engine_dist import all_gather_object, data_parallel

__all__ = ["EvaluationLosses"]


class EvaluationLosses:
    """The mean of each loss over a pass, of all processes; on the device until it is asked for.

    A model gives them as the last of its predictions: a `BaseDataElement` that holds ``loss`` alone,
    a dict of tensors or lists of tensors by name.
    """

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = {}

    def take_from(self, outputs: Any) -> Any:
        """Add the losses that predictions end with; return the predictions without them."""
        if not (isinstance(outputs, Sequence) and outputs and _holds_losses(outputs[-1])):
            return outputs
        for name, value in outputs[-1].loss.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                self._add(name, one)
        return outputs[:-1]

    def _add(self, name: str, value: Any) -> None:
        if not isinstance(value, (Tensor, int, float)):
            raise TypeError(
                f"the loss {name!r} among the predictions must be a tensor, a number or a list of "
                f"such, got {type(value).__name__}"
            )
        self._values.setdefault(name, []).append(torch.as_tensor(value).detach().float().mean())

    def means(self, mode: str) -> dict[str, float]:
        """Return the mean of each by name and, as ``<mode>_loss``, the sum of all named a loss.

        Every rank calls it, also one that had no batch.
        """
        own = {name: _sum_and_count(values) for name, values in self._values.items()}
        found: dict[str, float] = {}
        parts = all_gather_object(own)[:: data_parallel().copies]
        for name in dict.fromkeys(name for part in parts for name in part):
            pairs = [part[name] for part in parts if name in part]
            found[name] = sum(total for total, _ in pairs) / sum(count for _, count in pairs)
        if not found:
            return {}
        return {**found, f"{mode}_loss": sum(v for name, v in found.items() if "loss" in name)}


def _sum_and_count(values: list[Tensor]) -> tuple[float, int]:
    # the one copy from the device; there not every accelerator knows doubles
    return float(torch.stack(values).cpu().double().sum()), len(values)


def _holds_losses(value: Any) -> bool:
    return (
        isinstance(value, BaseDataElement)
        and value.keys() == ["loss"]
        and isinstance(value.loss, Mapping)
    )
