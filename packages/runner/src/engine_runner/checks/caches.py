"""Forgetting what functions have cached of a trial: tensors of a device that holds no values."""

from __future__ import annotations

import functools
import gc
from types import FunctionType, ModuleType
from typing import Any

from torch import Tensor

__all__ = ["forget_cached"]

_CACHED = type(functools.lru_cache(lambda: None))
_ELSEWHERE = (type, ModuleType, FunctionType, Tensor, str, int)
_MOST = 2_000  # of what one function holds


def forget_cached() -> None:
    """Empty the caches of functions (`functools.lru_cache`) that hold tensors of the meta device."""
    for function in [one for one in gc.get_objects() if type(one) is _CACHED]:
        if function.cache_info().currsize and _holds_meta(function):
            function.cache_clear()


def _holds_meta(function: Any) -> bool:
    """Tell whether a tensor without values is in what a function holds, its own names left out."""
    left, seen = [function], set[int]()
    while left and len(seen) < _MOST:
        value = left.pop()
        if isinstance(value, Tensor) and value.is_meta:
            return True
        if id(value) not in seen and not isinstance(value, _ELSEWHERE):
            seen.add(id(value))
            left += gc.get_referents(value)
    return False
