"""A state as what can be read again without running anything."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine_dist.checkpoint.errors import UnsavableStateError
from engine_dist.checkpoint.legacy import HistoryRecord

__all__ = ["plain"]

_ATOMS = (bool, int, float, complex, str, bytes, bytearray, type(None))
_TORCH = (torch.dtype, torch.device, torch.Size, torch.layout)


def plain(state: Any, path: str = "", *, sharded: bool = False) -> Any:
    """Return the state, or where it holds other things, a copy that holds plain ones.

    numpy's numbers become Python's, its arrays tensors (of text, and of objects, lists), paths
    strings, and subclasses of dict, list and so on those.  Tensors are shared, not copied; those
    split over processes are let through with ``sharded`` alone.

    Raises
    ------
    UnsavableStateError
        Where something has no plain form; it says where.
    """
    if isinstance(state, Tensor):
        return _tensor(state, path, sharded)
    if type(state) in _ATOMS or isinstance(state, _TORCH):
        return state
    if isinstance(state, Mapping):
        return _mapping(state, path, sharded)
    if isinstance(state, (list, tuple, set, frozenset)):
        return _sequence(state, path, sharded)
    return _other(state, path)


def _tensor(value: Tensor, path: str, sharded: bool) -> Tensor:
    if not sharded and type(value) not in (Tensor, torch.nn.Parameter, torch.nn.Buffer):
        raise UnsavableStateError(
            f"{_at(path)} is a {type(value).__name__}, which one file cannot hold for every reader: "
            "make it a tensor (full_tensor() of a DTensor), or save with save_sharded"
        )
    return value


def _mapping(state: Mapping[Any, Any], path: str, sharded: bool) -> Any:
    items = [
        (plain(key, path), plain(value, f"{path}.{key}" if path else str(key), sharded=sharded))
        for key, value in state.items()
    ]
    same = all(k is a and v is b for (k, v), (a, b) in zip(items, state.items(), strict=True))
    if same and type(state) in (dict, OrderedDict, Counter):
        return state
    if not isinstance(state, OrderedDict):
        return dict(items)
    made = OrderedDict(items)
    if hasattr(state, "_metadata"):
        made._metadata = state._metadata  # type: ignore[attr-defined]  # as torch keeps versions
    return made


def _sequence(state: Any, path: str, sharded: bool) -> Any:
    items = [plain(item, f"{path}[{index}]", sharded=sharded) for index, item in enumerate(state)]
    kind = next(k for k in (list, tuple, set, frozenset) if isinstance(state, k))
    if type(state) is kind and all(a is b for a, b in zip(items, state, strict=True)):
        return set(state) if kind is frozenset else state
    return set(items) if kind is frozenset else kind(items)


def _other(state: Any, path: str) -> Any:
    if isinstance(state, np.generic):
        return plain(state.item(), path)
    if isinstance(state, np.ndarray):
        simple = state.dtype.kind in "biufc" and state.dtype.isnative
        return torch.from_numpy(state.copy()) if simple else plain(state.tolist(), path)
    if isinstance(state, os.PathLike):
        return os.fspath(state)
    if isinstance(state, HistoryRecord):
        return plain(asdict(state), path)
    for kind in (int, float, str):  # subclasses, such as enumerations of them
        if isinstance(state, kind):
            return kind(state)
    raise UnsavableStateError(
        f"{_at(path)} is a {type(state).__module__}.{type(state).__qualname__}, which could not be "
        "loaded again without running code: save its state (numbers, strings, tensors, in dicts "
        "and lists) instead"
    )


def _at(path: str) -> str:
    return path or "the state"
