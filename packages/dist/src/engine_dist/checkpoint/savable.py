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
from torch.nn.parameter import is_lazy

from engine_config.fileio.pickles.alike import HEAVIEST_KEY
from engine_dist.checkpoint.errors import UnsavableStateError
from engine_dist.checkpoint.legacy import HistoryRecord

__all__ = ["plain"]

_ATOMS = (bool, int, float, complex, str, bytes, bytearray, type(None))
_TORCH = (torch.dtype, torch.device, torch.Size, torch.layout)


# protocol 2 of pickle has 255 bytes for a number, nesting is read and written by recursion
_MOST_BITS = 8 * 255 - 1
_DEEPEST = 100


def plain(state: Any, path: str = "", *, sharded: bool = False, copied: bool = False) -> Any:
    """Return the state, or where it holds other things, a copy that holds plain ones.

    numpy's numbers become Python's, its arrays tensors (of text, and of objects, lists), paths
    strings, and subclasses of dict, list and so on those.  Tensors are shared, not copied; those
    split over processes are let through with ``sharded`` alone.  What is shared stays shared.
    With ``copied``, tensors are detached copies on the host, and containers new ones.

    Raises
    ------
    UnsavableStateError
        Where something has no plain form; it says where.
    """
    return _Plain(sharded, copied).value(state, path, 0)


class _Plain:
    """Makes one state plain, and visits what it holds many times once."""

    def __init__(self, sharded: bool, copied: bool) -> None:
        self._sharded = sharded
        self._copied = copied
        self._above: set[int] = set()
        # by id: the value, kept so that its id stays its own; what became of it; how deep it lay
        self._done: dict[int, tuple[Any, Any, int]] = {}

    def value(self, state: Any, path: str, depth: int) -> Any:
        """Return a value's plain form."""
        if type(state) is int and state.bit_length() > _MOST_BITS:
            raise UnsavableStateError(
                f"{_at(path)} is a whole number of {state.bit_length()} bits, of which a checkpoint "
                f"holds {_MOST_BITS}: save it as text"
            )
        if type(state) in _ATOMS or isinstance(state, _TORCH):
            return state
        if isinstance(state, (Tensor, Mapping, list, tuple, set, frozenset, np.ndarray)):
            return self._once(state, path, depth)
        return self._other(state, path, depth)

    def _once(self, state: Any, path: str, depth: int) -> Any:
        _, made, deepest = self._done.get(id(state), (None, None, -1))
        if depth <= deepest:
            return made
        if id(state) in self._above:
            raise UnsavableStateError(
                f"{_at(path)} holds itself; a checkpoint is a tree of values"
            )
        if depth >= _DEEPEST and not isinstance(state, (Tensor, np.ndarray)):
            raise UnsavableStateError(
                f"the state is nested more than {_DEEPEST} deep, at {path[:80]}…: save it flatter"
            )
        self._above.add(id(state))
        again = self._container(state, path, depth + 1)
        self._above.discard(id(state))
        made = again if deepest < 0 else made  # looked at again only because it lies deeper
        self._done[id(state)] = (state, made, depth)
        return made

    def _container(self, state: Any, path: str, depth: int) -> Any:
        if isinstance(state, Tensor):
            return self._tensor(state, path, depth)
        if isinstance(state, np.ndarray):
            return self._array(state, path, depth)
        if isinstance(state, Mapping):
            return self._mapping(state, path, depth)
        return self._sequence(state, path, depth)

    def _tensor(self, value: Tensor, path: str, depth: int) -> Tensor:
        if type(value) in (Tensor, torch.nn.Parameter):
            if self._copied:
                return value.detach().to("cpu", copy=True)
            attributes = self._attributes(value, path, depth)  # torch saves them with it
            if all(attributes[name] is kept for name, kept in value.__dict__.items()):
                return value
            return _with(value, attributes)
        if is_lazy(value):
            raise UnsavableStateError(
                f"{_at(path)} is a parameter without a shape yet: run the model once before saving"
            )
        if not self._sharded:
            raise UnsavableStateError(
                f"{_at(path)} is a {type(value).__name__}, which one file cannot hold for every "
                "reader: make it a tensor (full_tensor() of a DTensor), or save with save_sharded"
            )
        return value

    def _attributes(self, owner: Any, path: str, depth: int) -> dict[str, Any]:
        return {
            name: self.value(attribute, f"{path}.{name}", depth)
            for name, attribute in getattr(owner, "__dict__", {}).items()
        }

    def _array(self, state: Any, path: str, depth: int) -> Any:
        if state.dtype.kind in "biufc" and state.dtype.isnative:
            return torch.from_numpy(state.copy())
        return self.value(state.tolist(), path, depth)

    def _mapping(self, state: Mapping[Any, Any], path: str, depth: int) -> Any:
        items = [
            (
                self._key(key, path, depth),
                self.value(value, f"{path}.{key}" if path else str(key), depth),
            )
            for key, value in state.items()
        ]
        same = all(k is a and v is b for (k, v), (a, b) in zip(items, state.items(), strict=True))
        made = OrderedDict(items) if isinstance(state, OrderedDict) else dict(items)
        if len(made) < len(items):
            raise UnsavableStateError(
                f"{_at(path)} has keys that are one once they are plain, such as a path and its text"
            )
        if type(state) is OrderedDict:
            attributes = self._attributes(state, path, depth)  # pickle keeps them
            same = same and all(attributes[n] is v for n, v in state.__dict__.items())
            made.__dict__.update(attributes)
        elif isinstance(state, OrderedDict) and hasattr(state, "_metadata"):
            made.__dict__["_metadata"] = state._metadata  # as torch keeps versions
        kept = same and not self._copied and type(state) in (dict, OrderedDict, Counter)
        return state if kept else made

    def _key(self, key: Any, path: str, depth: int) -> Any:
        """Return a key's, or a member's, plain form, which must be one again."""
        made = self.value(key, path, depth)
        try:
            hash(made)
        except TypeError as error:
            raise UnsavableStateError(
                f"{_at(path)} has {key!r:.80} as a key or a member; a frozen set is loaded as a "
                "set, which cannot be one: make it a tuple"
            ) from error
        if _weight(made) > HEAVIEST_KEY:
            raise UnsavableStateError(
                f"{_at(path)} has a key or a member of {_weight(made)} items, of which loading takes "
                f"{HEAVIEST_KEY}: make it shorter"
            )
        return made

    def _sequence(self, state: Any, path: str, depth: int) -> Any:
        kind = next(k for k in (list, tuple, set, frozenset) if isinstance(state, k))
        if kind in (set, frozenset):
            members = [self._key(member, path, depth) for member in state]
            same = type(state) is set and all(a is b for a, b in zip(members, state, strict=True))
            return state if same and not self._copied else set(members)
        items = [self.value(item, f"{path}[{index}]", depth) for index, item in enumerate(state)]
        same = type(state) is kind and all(a is b for a, b in zip(items, state, strict=True))
        return state if same and not self._copied else kind(items)

    def _other(self, state: Any, path: str, depth: int) -> Any:
        if isinstance(state, np.generic):
            return self.value(state.item(), path, depth)
        if isinstance(state, os.PathLike):
            return os.fspath(state)
        if isinstance(state, HistoryRecord):
            return self.value(asdict(state), path, depth)
        for kind in (int, float, str):  # subclasses, such as enumerations of them
            if isinstance(state, kind):
                return self.value(kind(state), path, depth)
        raise UnsavableStateError(
            f"{_at(path)} is a {type(state).__module__}.{type(state).__qualname__}, which could not "
            "be loaded again without running code: save its state (numbers, strings, tensors, in "
            "dicts and lists) instead"
        )


def _with(value: Tensor, attributes: dict[str, Any]) -> Tensor:
    """Return a tensor on the same memory, of the same kind, with other attributes."""
    made = value.detach().requires_grad_(value.requires_grad)
    if type(value) is torch.nn.Parameter:
        made = torch.nn.Parameter(value.detach(), value.requires_grad)
    made.__dict__.update(attributes)
    return made


def _weight(key: Any) -> int:
    """Count a key's items, as loading does."""
    return 1 + len(key) + sum(map(_weight, key)) if type(key) is tuple else 0


def _at(path: str) -> str:
    return path or "the state"
