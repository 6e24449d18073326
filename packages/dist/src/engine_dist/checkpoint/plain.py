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


# protocol 2 of pickle has 255 bytes for a number, nesting is read and written by recursion
_MOST_BITS = 8 * 255 - 1
_DEEPEST = 100


def plain(
    state: Any, path: str = "", *, sharded: bool = False, above: tuple[int, ...] = ()
) -> Any:
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
        return _tensor(state, path, sharded, above)
    if type(state) is int and state.bit_length() > _MOST_BITS:
        raise UnsavableStateError(
            f"{_at(path)} is a whole number of {state.bit_length()} bits, of which a checkpoint "
            f"holds {_MOST_BITS}: save it as text"
        )
    if type(state) in _ATOMS or isinstance(state, _TORCH):
        return state
    if not isinstance(state, (Mapping, list, tuple, set, frozenset)):
        return _other(state, path)
    if id(state) in above:
        raise UnsavableStateError(f"{_at(path)} holds itself; a checkpoint is a tree of values")
    if len(above) >= _DEEPEST:
        raise UnsavableStateError(
            f"the state is nested more than {_DEEPEST} deep, at {path[:80]}…: save it flatter"
        )
    above = (*above, id(state))
    if isinstance(state, Mapping):
        return _mapping(state, path, sharded, above)
    return _sequence(state, path, sharded, above)


def _tensor(value: Tensor, path: str, sharded: bool, above: tuple[int, ...]) -> Tensor:
    for name, attribute in getattr(value, "__dict__", {}).items():
        # torch saves a tensor's attributes with it
        if type(value) in (Tensor, torch.nn.Parameter):
            plain(attribute, f"{path}.{name}", above=(*above, id(value)))
    if not sharded and type(value) not in (Tensor, torch.nn.Parameter, torch.nn.Buffer):
        raise UnsavableStateError(
            f"{_at(path)} is a {type(value).__name__}, which one file cannot hold for every reader: "
            "make it a tensor (full_tensor() of a DTensor), or save with save_sharded"
        )
    return value


def _mapping(state: Mapping[Any, Any], path: str, sharded: bool, above: tuple[int, ...]) -> Any:
    items = [
        (
            plain(key, path, above=above),
            plain(value, f"{path}.{key}" if path else str(key), sharded=sharded, above=above),
        )
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


def _sequence(state: Any, path: str, sharded: bool, above: tuple[int, ...]) -> Any:
    items = [
        plain(item, f"{path}[{index}]", sharded=sharded, above=above)
        for index, item in enumerate(state)
    ]
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
