"""Stand-ins for what the pickles of torch's tensors name, where `pickle.dump` wrote them.

Such a pickle holds, of each tensor, the bytes of a file of its own, in torch's format before 1.6.
These are read here, by the same limits, and not given to torch, whose readers before 2.10 believe
what they say of their size.  torch is imported for the first tensor that comes; dense tensors and
parameters are made, sparse, quantized and nested ones refused by their names.
"""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Callable
from typing import Any

from engine_config.fileio.pickles.bounds import BoundedMachine, Names
from engine_config.fileio.pickles.machine import Refused
from engine_config.fileio.pickles.thawing import Frozen, Thawing

__all__ = ["TENSORS", "check_view"]

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_MOST_DIMENSIONS = 64
_STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool", "ComplexDouble": "complex128", "ComplexFloat": "complex64",
}  # fmt: skip
_DTYPES = (
    *_STORAGES.values(), "uint16", "uint32", "uint64", "complex32", "float8_e4m3fn",
    "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip


def _torch() -> Any:
    return importlib.import_module("torch")


def check_view(offset: Any, size: Any, stride: Any, itemsize: int, held: int) -> None:
    """Refuse a view of a storage that reaches beyond the ``held`` bytes of it."""
    sizes, strides = _counts(size), _counts(stride)
    if len(sizes) != len(strides) or len(sizes) > _MOST_DIMENSIONS:
        raise Refused("a tensor whose sizes and strides do not fit")
    (start,) = _counts((offset,))
    last = start + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if (0 if 0 in sizes else last + 1) * itemsize > held:
        raise Refused(
            f"a tensor of shape {sizes} with strides {strides} from element {start}, in a storage "
            f"of {held} bytes"
        )


def _counts(values: Any) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or any(type(v) is not int or v < 0 for v in values):
        raise Refused("sizes that are no whole numbers of 0 or more")
    return tuple(values)


class _Dtype(Frozen):
    """``torch.float32`` and its like."""

    def __init__(self, name: str) -> None:
        self.name = name

    def thaw(self, thawing: Thawing) -> Any:
        found = getattr(_torch(), self.name, None)
        if found is None:
            raise Refused(f"torch.{self.name}, which the torch that is installed has not")
        return found


class _Storage(Frozen):
    """The bytes of tensors, and of which type they are; None for any."""

    def __init__(self, dtype: _Dtype | None, data: bytes = b"") -> None:
        self.dtype, self.data = dtype, data

    def thaw(self, thawing: Thawing) -> Any:
        """Return torch's storage of the bytes."""
        torch = _torch()
        if not self.data:
            return torch.UntypedStorage(0)
        return torch.frombuffer(bytearray(self.data), dtype=torch.uint8).untyped_storage()


class _StorageReader(BoundedMachine):
    """Reads the parts of a storage's file one by one."""

    claim: tuple[Any, ...] = ()

    def refer(self, claim: Any) -> Any:
        whole = type(claim) is tuple and len(claim) == 6 and claim[0] == "storage"
        if not whole or not isinstance(claim[1], _Storage) or type(claim[2]) is not str:
            raise Refused("a reference to what is no storage")
        self.claim = claim
        return claim[1]


_KINDS = {
    **{f"torch.{kind}Storage": _Storage(_Dtype(dtype)) for kind, dtype in _STORAGES.items()},
    "torch.storage.UntypedStorage": _Storage(None),
}


def _load_from_bytes(data: object) -> _Storage:
    """Read what `torch.save` writes of a storage in its old format: parts, and then the bytes."""
    raw = data.encode("latin1") if isinstance(data, str) else data
    if type(raw) is not bytes:
        raise Refused("a storage of what are no bytes")
    file = io.BytesIO(raw)
    names = Names(_KINDS, frozenset(), frozenset())
    reader = _StorageReader(file, len(raw), names, "utf-8")
    magic, version, _, kind, keys = (reader.load() for _ in range(5))
    if names.unknown or magic != _MAGIC or version != _VERSION or not reader.claim:
        raise Refused("a storage in a form that is not known")
    if keys != [reader.claim[2]] or not isinstance(kind, _Storage):
        raise Refused("a storage whose bytes are not in the file")
    (count,) = struct.unpack("<q", reader.take(8))
    if count != reader.claim[4]:
        raise Refused("a storage whose size is said twice, and differs")
    return _Storage(kind.dtype, file.read())


class _Tensor(Frozen):
    """A dense tensor: a view of a storage."""

    def __init__(
        self, storage: object, offset: object, size: object, stride: object, *rest: object
    ) -> None:
        if not isinstance(storage, _Storage):
            raise Refused("a tensor of what is no storage")
        grad, _, dtype = (*rest, None, None, None)[:3] if rest else (False, None, None)
        dtype = storage.dtype if dtype is None else dtype
        if not isinstance(dtype, _Dtype):
            raise Refused("a tensor of no type")
        self._storage, self._dtype, self._grad = storage, dtype, grad is True
        self._view = (offset, size, stride)

    def thaw(self, thawing: Thawing) -> Any:
        dtype = thawing(self._dtype)
        check_view(*self._view, dtype.itemsize, len(self._storage.data))
        made = _torch().empty(0, dtype=dtype).set_(thawing(self._storage), *self._view)
        return made.requires_grad_() if self._grad else made


class _Parameter(Frozen):
    """A parameter of a model."""

    def __init__(self, data: object, grad: object, hooks: object) -> None:
        if not isinstance(data, _Tensor):
            raise Refused("a parameter of what is no tensor")
        self._data, self._grad = data, grad is True

    def thaw(self, thawing: Thawing) -> Any:
        return _torch().nn.Parameter(thawing(self._data), self._grad)


class _Size(Frozen):
    """``torch.Size``."""

    def __init__(self, sizes: object) -> None:
        self._sizes = _counts(sizes)

    def thaw(self, thawing: Thawing) -> Any:
        return _torch().Size(self._sizes)


class _Device(Frozen):
    """``torch.device``."""

    def __init__(self, *parts: object) -> None:
        self._parts = parts

    def thaw(self, thawing: Thawing) -> Any:
        return _torch().device(*self._parts)


#: name in a pickle → what stands for it
TENSORS: dict[str, Callable[..., Any] | _Dtype] = {
    "torch._utils._rebuild_tensor_v2": _Tensor,
    "torch._utils._rebuild_tensor_v3": _Tensor,
    "torch._utils._rebuild_parameter": _Parameter,
    "torch.storage._load_from_bytes": _load_from_bytes,
    "torch.Size": _Size,
    "torch.device": _Device,
    **{f"torch.{name}": _Dtype(name) for name in _DTYPES},
}
