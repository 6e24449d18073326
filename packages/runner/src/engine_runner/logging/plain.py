"""What may go into a checkpoint that is read without trust: plain values and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from torch import Tensor, from_numpy

_EXACT = {bool, int, float, str, bytes, type(None)}
_SCALARS: tuple[Any, ...] = (int, float, str, bytes)


def plain(value: object) -> Any:
    """Copy ``value`` as plain Python values and detached tensors on the host.

    A mapping becomes a dict, an array a tensor, a path a string, and a subclass of a plain type
    that type, so that ``torch.load(weights_only=True)`` reads what comes out.

    Raises
    ------
    TypeError
        If something in it is no data, such as a function.
    """
    if type(value) in _EXACT:
        return value
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, np.ndarray):
        return plain_array(value)
    if isinstance(value, PurePath):
        return str(value)
    return plain_subclass(value)


def plain_array(array: np.ndarray[Any, Any]) -> Any:
    """Return a tensor, or nested lists where the array holds no numbers."""
    return from_numpy(array.copy()) if array.dtype.kind in "biuf" else plain(array.tolist())


def plain_subclass(value: object) -> Any:
    """Strip a container or a scalar of the class that it adds to the plain one."""
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    for container in (list, tuple, set):
        if isinstance(value, container):
            return container(plain(item) for item in value)
    for scalar in _SCALARS:
        if isinstance(value, scalar):
            return scalar.__getnewargs__(value)[0]
    raise TypeError(f"{type(value).__name__} is no plain data: {value!r:.80}")
