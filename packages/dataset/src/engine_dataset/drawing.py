"""Which datasets, transforms and collate functions are known to draw no random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils import data

from engine_dataset.collate import default_collate, pseudo_collate

__all__ = ["draws_nothing"]

_PLAIN: tuple[type, ...] = (
    list, tuple, range, str, bytes, np.ndarray, torch.Tensor, data.TensorDataset
)  # fmt: skip
_COLLATE_FUNCTIONS = (
    None, data.default_collate, data.default_convert, default_collate, list, pseudo_collate, tuple
)  # fmt: skip


def draws_nothing(thing: Any) -> bool:
    """Tell whether a dataset, a transform or a collate function is known to draw nothing.

    It may say so itself, by an attribute or a method ``draws_nothing``. Known besides are
    sequences, arrays, torch's datasets of tensors, its subsets and concatenations of such, and its
    collate functions, None among them for its own choice.
    """
    said = getattr(thing, "draws_nothing", None)
    if said is not None:
        return bool(said() if callable(said) else said)
    kind = type(thing)
    if kind is data.Subset:
        return draws_nothing(thing.dataset)
    if kind is data.ConcatDataset:
        return all(map(draws_nothing, thing.datasets))
    return kind in _PLAIN or any(thing is function for function in _COLLATE_FUNCTIONS)
