"""Fields that hold one entry for every pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .base_data_element import BaseDataElement

Index = int | np.integer[Any] | slice


class PixelData(BaseDataElement):
    """Tensors or arrays of shape (C, H, W), the same H and W in every field.

    A field of shape (H, W) gets a first dimension of one.

    Examples
    --------
    >>> import torch
    >>> maps = PixelData(depth=torch.zeros(4, 6), normals=torch.zeros(3, 4, 6))
    >>> maps.shape, maps.depth.shape, maps[1:3, 0].normals.shape
    ((4, 6), torch.Size([1, 4, 6]), torch.Size([3, 2, 1]))
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("_metainfo_fields", "_data_fields"):
            value = self._as_map(name, value)
        super().__setattr__(name, value)

    def _as_map(self, name: str, value: Any) -> Any:
        if not isinstance(value, torch.Tensor | np.ndarray):
            raise TypeError(f"{name} should be a tensor or array, got {type(value).__name__}")
        if value.ndim not in (2, 3):
            raise ValueError(
                f"{name} should have shape (H, W) or (C, H, W), got {tuple(value.shape)}"
            )
        others = [field for field in self._data_fields if field != name]
        expected = tuple(getattr(self, others[0]).shape[-2:]) if others else None
        if expected is not None and tuple(value.shape[-2:]) != expected:
            raise ValueError(
                f"{name} is {tuple(value.shape[-2:])} in height and width, but {others[0]} is "
                f"{expected}"
            )
        return value if value.ndim == 3 else value[None]

    def __getitem__(self, item: tuple[Index, Index]) -> PixelData:
        """Return the pixels of rows and columns; an int keeps its dimension.

        Raises
        ------
        TypeError
            If the index is not two ints or slices.
        IndexError
            If an int is out of range.
        """
        if not isinstance(item, tuple) or len(item) != 2:
            raise TypeError(f"pixels are indexed by rows and columns, got {item!r}")
        size = self.shape or (0, 0)
        rows, columns = (_as_slice(i, n) for i, n in zip(item, size, strict=True))
        made = self.__class__(metainfo=self.metainfo)
        made.set_data({name: value[:, rows, columns] for name, value in self.items()})
        return made

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width, or None where there is no field."""
        for name in self._data_fields:
            height, width = getattr(self, name).shape[-2:]
            return int(height), int(width)
        return None


def _as_slice(item: Index, size: int) -> slice:
    if isinstance(item, slice):
        return item
    if not isinstance(item, int | np.integer):
        raise TypeError(f"pixels are indexed by ints and slices, got {type(item).__name__}")
    if not -size <= item < size:
        raise IndexError(f"index {item} is out of range for a size of {size}")
    return slice(int(item), int(item) + 1 or None)
