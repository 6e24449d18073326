"""The short way of stacking samples that are as most are: containers of Python's own, tensors, numbers, text.

It gives what the general way gives; whatever is of another kind, and whatever fails, goes that way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import _utils, default_collate, get_worker_info

__all__ = ["General", "short_way_of", "stacked", "torch_stacks_as_usual"]

General = Callable[[Sequence[Any]], Any]

_WAYS = _utils.collate.default_collate_fn_map  # of each kind of value, which a user may change
_USUAL = {kind: way for kind, way in _WAYS.items() if way.__module__ == _utils.collate.__name__}
_stack, _tensor, _strided, _double = torch.stack, torch.tensor, torch.strided, torch.float64


def torch_stacks_as_usual() -> bool:
    """Tell whether nobody has changed how torch stacks, and it need not stack into shared memory."""
    return get_worker_info() is None and _WAYS == _USUAL


def short_way_of(collate: Any) -> Any:
    """Return what gives the same as a collate function, for a pass in this process."""
    if collate is not default_collate or not torch_stacks_as_usual():
        return collate
    return partial(stacked, general=default_collate)


def stacked(samples: Sequence[Any], general: General) -> Any:
    """Stack samples of one structure.

    Parameters
    ----------
    samples : sequence
        One at least.
    general : callable
        The general way, whose results and errors these are.
    """
    try:
        return _stacked(samples, general)
    except Exception:  # whose words are the general way's
        return general(samples)


def _stacked(samples: Any, general: General) -> Any:
    first = samples[0]
    kind = type(first)  # not what it derives from: a class of a user's own may be made otherwise
    if kind is Tensor:
        plain = first.layout is _strided and not first.is_nested
        return _stack(samples) if plain else general(samples)
    if kind is dict:
        return {key: _stacked([sample[key] for sample in samples], general) for key in first}
    if kind is tuple or kind is list:
        length = len(first)
        for sample in samples:
            if len(sample) != length:
                return general(samples)
        return [_stacked(column, general) for column in zip(*samples, strict=False)]
    if kind is int or kind is bool:
        return _tensor(samples)
    if kind is float:
        return _tensor(samples, dtype=_double)
    return samples if kind is str or kind is bytes else general(samples)
