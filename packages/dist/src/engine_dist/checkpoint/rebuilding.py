"""torch's makers of tensors, held against the storages that they are given.

The makers believe what a file says of a tensor: indices outside of it, or sizes beyond its storage, would
be read from whatever memory lies there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, _utils

from engine_config.fileio.pickles import Refused
from engine_config.fileio.pickles.tensors import check_view

__all__ = ["REBUILDERS", "check_sparse"]

# torch leaves its makers untyped
_rebuild_v3: Callable[..., Any] = _utils._rebuild_tensor_v3
_rebuild_nested: Callable[..., Any] = _utils._rebuild_nested_tensor


def _within(
    storage: Any, offset: Any, size: Any, stride: Any, itemsize: int | None = None
) -> None:
    """Refuse a view that reaches beyond its storage."""
    if not isinstance(storage, (torch.UntypedStorage, torch.storage.TypedStorage)):
        raise Refused("a tensor of what is no storage")
    step = storage.element_size() if itemsize is None else itemsize
    check_view(offset, size, stride, step, storage.nbytes())


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    def rebuild(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
        _within(storage, offset, size, stride)
        return function(storage, offset, size, stride, *rest)

    return rebuild


def _rebuild_tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    grad: Any,
    hooks: Any,
    dtype: Any,
    *rest: Any,
) -> Any:
    if not isinstance(dtype, torch.dtype):
        raise Refused("a tensor of no type")
    _within(storage, offset, size, stride, dtype.itemsize)
    return _rebuild_v3(storage, offset, size, stride, grad, hooks, dtype, *rest)


def _rebuild_nested_tensor(buffer: Any, sizes: Any, strides: Any, offsets: Any) -> Any:
    """Make a nested tensor, each of its parts within the buffer."""
    tables = (buffer, sizes, strides, offsets)
    if not all(isinstance(table, Tensor) and table.layout is torch.strided for table in tables):
        raise Refused("a nested tensor of what are no tensors")
    if buffer.dim() != 1 or sizes.dim() != 2 or sizes.shape != strides.shape:
        raise Refused("a nested tensor whose tables do not fit")
    if offsets.shape != sizes.shape[:1] or {sizes.dtype, offsets.dtype} != {torch.int64}:
        raise Refused("a nested tensor whose tables do not fit")
    for part, steps, start in zip(sizes.tolist(), strides.tolist(), offsets.tolist(), strict=True):
        _within(buffer.untyped_storage(), start, part, steps, buffer.element_size())
    return _rebuild_nested(buffer, sizes, strides, offsets)


def check_sparse(tensor: Tensor) -> None:
    """Refuse a sparse tensor whose indices lie outside of it, or do not fit its values.

    Raises
    ------
    Refused
    """
    if tensor.layout is torch.strided or tensor.device.type == "meta":
        return
    try:
        if tensor.layout is torch.sparse_coo:
            torch._validate_sparse_coo_tensor_args(
                tensor._indices(), tensor._values(), tensor.size(), tensor.is_coalesced()
            )
        else:
            by_row = tensor.layout in (torch.sparse_csr, torch.sparse_bsr)
            torch._validate_sparse_compressed_tensor_args(
                tensor.crow_indices() if by_row else tensor.ccol_indices(),
                tensor.col_indices() if by_row else tensor.row_indices(),
                tensor.values(), tensor.size(), tensor.layout,
            )  # fmt: skip
    except RuntimeError as error:
        raise Refused(f"a sparse tensor that is none: {error}") from error


#: name in a pickle → what is called in its place
REBUILDERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _checked(_utils._rebuild_tensor),
    "torch._utils._rebuild_tensor_v2": _checked(_utils._rebuild_tensor_v2),
    "torch._utils._rebuild_qtensor": _checked(_utils._rebuild_qtensor),
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_nested_tensor": _rebuild_nested_tensor,
}
