"""Small things about torch: its version, kinds of layers, grids, images."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

__all__ = [
    "TORCH_VERSION",
    "has_batch_norm",
    "is_jit_tracing",
    "is_norm",
    "mmcv_full_available",
    "tensor2imgs",
    "torch_meshgrid",
]

TORCH_VERSION = str(torch.__version__)

_NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm)


def is_norm(layer: Any, exclude: type | tuple[type, ...] | None = None) -> bool:
    """Whether a layer is a normalisation: of batches, instances, groups or layers.

    Parameters
    ----------
    layer : nn.Module
        The layer.
    exclude : type or tuple of types, optional
        Which are none.

    Examples
    --------
    >>> is_norm(nn.LayerNorm(3)), is_norm(nn.LayerNorm(3), exclude=nn.LayerNorm)
    (True, False)
    """
    kinds = exclude if isinstance(exclude, tuple) else (exclude,)
    if exclude is not None and not all(isinstance(kind, type) for kind in kinds):
        raise TypeError(f"exclude must be None, a type or a tuple of types, got {exclude!r}")
    excluded = exclude is not None and isinstance(layer, exclude)
    return isinstance(layer, _NORMS) and not excluded


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a model has a layer that normalises batches."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, got {type(model).__name__}")
    return any(isinstance(module, _BatchNorm) for module in model.modules())


def is_jit_tracing() -> bool:
    """Whether `torch.jit` is tracing what runs."""
    return torch._C._get_tracing_state() is not None


def mmcv_full_available() -> bool:
    """Whether MMCV is installed, with its compiled operators."""
    if importlib.util.find_spec("mmcv") is None:
        return False
    try:
        importlib.import_module("mmcv._ext")
    except ImportError:
        return False
    return True


def torch_meshgrid(*tensors: Any) -> tuple[Tensor, ...]:
    """Return the coordinates of a grid, the first tensor along the rows.

    Parameters
    ----------
    *tensors : Tensor
        Of one dimension each, or one list of such.
    """
    made: tuple[Tensor, ...] = torch.meshgrid(*tensors, indexing="ij")
    return made


def tensor2imgs(
    tensor: Tensor,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    to_bgr: bool = True,
) -> list[NDArray[Any]]:
    """Turn a batch of images that were normalised back into arrays.

    Parameters
    ----------
    tensor : Tensor
        Of shape (N, C, H, W), with one or three channels.
    mean, std : sequence of float, optional
        What was subtracted and divided by, for each channel; by default 0 and 1.
    to_bgr : bool
        Whether to turn the order of three channels around.

    Returns
    -------
    list of ndarray
        N arrays of shape (H, W, C), of the tensor's type, or float32 where it was normalised.

    Examples
    --------
    >>> [image.shape for image in tensor2imgs(torch.zeros(2, 3, 4, 5))]
    [(4, 5, 3), (4, 5, 3)]
    """
    if not isinstance(tensor, Tensor) or tensor.dim() != 4:
        got = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
        raise TypeError(f"tensor must be a Tensor of shape (N, C, H, W), got {got}")
    channels = tensor.shape[1]
    if channels not in (1, 3) or (to_bgr and channels == 1):
        raise ValueError(
            f"images have three channels, or one with to_bgr=False, got {channels} channels and "
            f"to_bgr={to_bgr}"
        )
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) != channels:
            raise ValueError(f"{name} must hold {channels} numbers, got {values!r}")
    images = np.ascontiguousarray(tensor.detach().permute(0, 2, 3, 1).cpu().numpy())
    if mean is not None or std is not None:
        scale = np.asarray([1.0] * channels if std is None else std, dtype=np.float64)
        shift = np.asarray([0.0] * channels if mean is None else mean, dtype=np.float64)
        images = (images * scale + shift).astype(np.float32)
    return [np.ascontiguousarray(one[..., ::-1] if to_bgr else one) for one in images]
