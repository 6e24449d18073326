"""Objects as a few tensors: big buffers go as they are, not copied into a pickle."""

from __future__ import annotations

import io
import pickle
import warnings
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

# a smaller buffer costs less inside of the pickle than as a message of its own
_OWN_MESSAGE = 2**16


class _Pickler(pickle.Pickler):
    """Lets a tensor's bytes go out of band, as numpy's do."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not Tensor or obj.requires_grad or obj.layout is not torch.strided:
            return NotImplemented
        if obj.device.type != "cpu" or obj.is_quantized or obj.is_conj() or obj.is_neg():
            return NotImplemented
        if obj.nbytes < _OWN_MESSAGE:
            return _rebuild_small, (_bytes_of(obj), obj.dtype, tuple(obj.shape))
        return _rebuild, (_flat(obj).numpy(), obj.dtype, tuple(obj.shape))


def _flat(tensor: Tensor) -> Tensor:
    return tensor.contiguous().view(-1).view(torch.uint8)


def _bytes_of(tensor: Tensor) -> bytes:
    try:
        return tensor.numpy().tobytes()  # a third of the time of what is below
    except TypeError:  # numpy has no such type
        return _flat(tensor).numpy().tobytes()


def _rebuild_small(data: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    if not data:
        return torch.empty(shape, dtype=dtype)
    flat = torch.frombuffer(bytearray(data), dtype=dtype)
    return flat if len(shape) == 1 else flat.view(shape)


def _rebuild(flat: np.ndarray[Any, Any], dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    # a small array comes as bytes of the pickle, which may not be written to
    writable = flat if flat.flags.writeable else flat.copy()
    return torch.from_numpy(writable).view(dtype).view(shape)


def dump(items: list[Any], file: BinaryIO) -> None:
    """Pickle the items to a file, a part of a tensor without the rest of it."""
    _Pickler(file, protocol=5).dump(items)


def pack(items: list[Any]) -> tuple[bytes, list[memoryview]]:
    """Return a pickle of the items, and the big buffers that it leaves out."""
    buffers: list[memoryview] = []

    def leave_out(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _OWN_MESSAGE:
            return True  # keep it inside
        buffers.append(raw)
        return False

    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=leave_out).dump(items)
    return stream.getvalue(), buffers


def unpack(data: bytes, buffers: list[Tensor]) -> list[Any]:
    """Return the items; they keep the buffers' memory."""
    items: list[Any] = pickle.loads(data, buffers=[buffer.numpy() for buffer in buffers])
    return items


def as_tensor(data: bytes | memoryview) -> Tensor:
    """Return the bytes as a tensor, not copied; it is only read."""
    with warnings.catch_warnings():
        # torch warns of memory that may not be written to, which no send does
        warnings.filterwarnings("ignore", ".*not writable", UserWarning)
        return torch.frombuffer(data, dtype=torch.uint8)
