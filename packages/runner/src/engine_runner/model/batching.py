"""Tensors of unlike sizes to one, and dicts to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["merge_dict", "pad_to", "round_up", "stack_batch"]


def stack_batch(
    tensor_list: Sequence[Tensor], pad_size_divisor: int = 1, pad_value: float = 0
) -> Tensor:
    """Stack tensors that differ in all but their first dimension, each padded at its ends.

    Parameters
    ----------
    tensor_list : sequence of Tensor
        Each of shape ``(C, …)``, with as many dimensions and the same ``C``.
    pad_size_divisor : int
        What the sizes, but ``C``, are rounded up to a multiple of.
    pad_value : float
        What is padded with.

    Returns
    -------
    Tensor
        Of shape ``(N, C, …)``.

    Raises
    ------
    TypeError
        If it is no sequence of tensors.
    ValueError
        If it is empty, or the tensors cannot be stacked.
    """
    if not isinstance(tensor_list, (list, tuple)) or not all(
        isinstance(tensor, Tensor) for tensor in tensor_list
    ):
        raise TypeError(f"stack_batch takes a list of tensors, got {_described(tensor_list)}")
    shapes = [tuple(tensor.shape) for tensor in tensor_list]
    if not shapes or not shapes[0]:
        raise ValueError(f"stack_batch takes tensors of one dimension or more, got {shapes}")
    if len({(len(shape), shape[0] if shape else 0) for shape in shapes}) > 1:
        raise ValueError(
            "tensors to stack have as many dimensions and the same first one (of channels), got "
            f"the shapes {shapes}"
        )
    largest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))[1:]
    target = round_up(largest, pad_size_divisor)
    return torch.stack([pad_to(tensor, target, pad_value) for tensor in tensor_list])


def pad_to(tensor: Tensor, sizes: Sequence[int], value: float) -> Tensor:
    """Pad the last dimensions of a tensor at their ends, up to ``sizes``."""
    if not sizes:
        return tensor
    missing = [size - have for size, have in zip(sizes, tensor.shape[-len(sizes) :], strict=True)]
    if not any(missing):
        return tensor
    # from the last dimension on, each with what comes before and behind
    return functional.pad(
        tensor, [n for lack in reversed(missing) for n in (0, lack)], value=value
    )


def round_up(sizes: Sequence[int], divisor: int) -> tuple[int, ...]:
    """Return sizes rounded up to multiples of a number."""
    return tuple(-(-size // divisor) * divisor for size in sizes)


def merge_dict(*args: Mapping[str, Any]) -> dict[str, Any]:
    """Return one dict of several; of a key that several have, the last one's value."""
    return {key: value for part in args for key, value in part.items()}


def _described(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {sorted({type(item).__name__ for item in value})}"
    return f"a {type(value).__name__}"
