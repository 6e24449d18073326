"""From a batch as collated to a batch as the model takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine_dataset import BaseDataElement
from engine_registry import MODELS

__all__ = ["BaseDataPreprocessor"]


@MODELS.register_module()
class BaseDataPreprocessor(nn.Module):
    """Move a batch to the device of the model.

    Parameters
    ----------
    non_blocking : bool, default False
        Copy without waiting where the source is pinned memory.
    """

    def __init__(self, non_blocking: bool | None = False) -> None:
        super().__init__()
        self._non_blocking = bool(non_blocking)
        # an empty buffer goes wherever the model goes, by whichever of nn.Module's ways
        self.register_buffer("_place", torch.empty(0), persistent=False)
        self._place: Tensor

    @property
    def device(self) -> torch.device:
        """Where batches are put."""
        return self._place.device

    def cast_data(self, data: Any) -> Any:
        """Move every tensor and data element inside of nested containers to `device`."""
        if isinstance(data, (Tensor, BaseDataElement)):
            return data.to(self.device, non_blocking=self._non_blocking)
        if isinstance(data, (str, bytes)):
            return data
        if isinstance(data, Mapping):
            return type(data)({key: self.cast_data(value) for key, value in data.items()})  # type: ignore[call-arg]  # mappings are made from a dict by convention
        if isinstance(data, tuple) and hasattr(data, "_fields"):
            return type(data)(*(self.cast_data(value) for value in data))
        if isinstance(data, Sequence):
            return type(data)(self.cast_data(value) for value in data)  # type: ignore[call-arg]  # sequences are made from an iterable by convention
        return data

    def forward(self, data: Any, training: bool = False) -> Any:
        """Return the batch for the model; subclasses normalise, pad and augment here."""
        return self.cast_data(data)
