"""From a batch as collated to a batch as the model takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine_dataset import BaseDataElement
from engine_registry import MODELS
from engine_runner.model.devices import AcceleratorMoves

__all__ = ["BaseDataPreprocessor"]


@MODELS.register_module()
class BaseDataPreprocessor(AcceleratorMoves, nn.Module):
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
        """Move every tensor and data element inside of nested containers to `device`.

        Containers are new ones, so that what is put into them does not change the loader's batch.
        """
        if isinstance(data, Mapping):
            moved = {key: self._moved(value) for key, value in data.items()}
            return moved if type(data) is dict else type(data)(moved)  # type: ignore[call-arg]  # mappings are made from a dict by convention
        if isinstance(data, (str, bytes)):
            return data
        if isinstance(data, tuple) and hasattr(data, "_fields"):
            return type(data)(*(self._moved(value) for value in data))
        if isinstance(data, Sequence):
            return type(data)(self._moved(value) for value in data)  # type: ignore[call-arg]  # sequences are made from an iterable by convention
        return self._moved(data) if isinstance(data, (Tensor, BaseDataElement)) else data

    def _moved(self, value: Any) -> Any:
        # in every iteration: a tensor that is there already needs no step of the library
        device = self._buffers["_place"].device  # type: ignore[union-attr]  # it is never None
        if isinstance(value, Tensor):
            if value.device == device:
                return value
        elif not isinstance(value, BaseDataElement):
            return self.cast_data(value)
        return value.to(device, non_blocking=self._non_blocking)

    def forward(self, data: Any, training: bool = False) -> Any:
        """Return the batch for the model; subclasses normalise, pad and augment here."""
        return self.cast_data(data)
