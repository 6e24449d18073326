"""Copy a state into buffers that are kept from one time to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine_dist.late import is_dtensor

__all__ = ["Staging"]

# the keys and numbers themselves: joined to a text, those of two places may be one
Path = tuple[Any, ...]


class Staging:
    """Copies states into host memory: the first time into new buffers, then into the same.

    Tensors that share memory in a state share it in the copy.
    """

    def __init__(self) -> None:
        self._kept: dict[Path, Any] = {}
        self._forget()

    def _forget(self) -> None:
        self._copies: dict[int, Any] = {}
        self._storages: dict[Any, Tensor] = {}

    @torch.no_grad()
    def copy(self, state: Any) -> Any:
        """Return a copy of the state that holds until the next one is made."""
        self._forget()
        copied = self._copy(state, ())
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()  # copies out of pinned memory are not waited for
        self._forget()
        return copied

    def _copy(self, value: Any, path: Path) -> Any:
        """Copy a value once, however often the state holds it."""
        if not isinstance(value, (Tensor, Mapping, list, tuple, set, bytearray)):
            return value
        if id(value) not in self._copies:
            self._copies[id(value)] = self._made(value, path)
        return self._copies[id(value)]

    def _made(self, value: Any, path: Path) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value, path)
        if isinstance(value, Mapping):
            copied = type(value)({k: self._copy(v, (*path, k)) for k, v in value.items()})  # type: ignore[call-arg]  # a dict's or an OrderedDict's own way
            return self._with_attributes(copied, value, path)
        if isinstance(value, (list, tuple)):
            return type(value)(self._copy(v, (*path, i)) for i, v in enumerate(value))
        return type(value)(value)

    def _with_attributes(self, copied: Any, value: Any, path: Path) -> Any:
        """Give a copy the attributes of what was copied, which are saved with it."""
        for name, attribute in getattr(value, "__dict__", {}).items():
            copied.__dict__[name] = self._copy(attribute, (*path, "__dict__", name))
        return copied

    def _tensor(self, value: Tensor, path: Path) -> Tensor:
        if type(value) not in (Tensor, torch.nn.Parameter):
            return self._split(value, path)
        copied: Tensor
        if value.device.type == "meta":
            copied = value.detach()
        elif value.layout is not torch.strided or value.is_quantized or value.is_nested:
            copied = value.detach().to("cpu", copy=True)
        else:
            copied = self._view(value.detach(), path)
        if type(value) is torch.nn.Parameter:
            copied = torch.nn.Parameter(copied, value.requires_grad)
        else:
            copied.requires_grad_(value.requires_grad)
        made: Tensor = self._with_attributes(copied, value, path)
        return made

    def _view(self, value: Tensor, path: Path) -> Tensor:
        """Copy a tensor's storage, once for all that lie in it, and return its place in the copy."""
        storage = value.untyped_storage()
        place = (storage.data_ptr(), value.device)
        kept = self._storages.get(place) if storage.nbytes() else None
        if kept is None:
            kept = self._buffer(path, storage.nbytes(), pinned=value.device.type == "cuda")
            flat = torch.empty(0, dtype=torch.uint8, device=value.device).set_(storage)
            kept.copy_(flat, non_blocking=value.device.type != "cpu")
            self._storages[place] = kept
        copied = torch.empty(0, dtype=value.dtype).set_(
            kept.untyped_storage(), value.storage_offset(), value.size(), value.stride()
        )
        if value.is_conj():
            copied = copied.conj()
        return torch._neg_view(copied) if value.is_neg() else copied

    def _buffer(self, path: Path, size: int, *, pinned: bool) -> Tensor:
        kept = self._kept.get(path)
        if not isinstance(kept, Tensor) or kept.dtype != torch.uint8 or kept.numel() != size:
            kept = self._kept[path] = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
        return kept

    def _split(self, value: Tensor, path: Path) -> Tensor:
        """Copy a tensor that is split over processes: its own part, in the same place of it."""
        from torch.distributed._state_dict_utils import _copy_state_dict, _create_cpu_state_dict
        from torch.distributed.tensor import DTensor

        if is_dtensor(value) and value.device.type == "cpu":
            # of parts that lie on the CPU already, torch 2.6 hands out the parts themselves
            part = value.to_local()
            return DTensor.from_local(
                self._view(part.detach(), path), value.device_mesh, value.placements,
                run_check=False, shape=value.shape, stride=value.stride(),
            )  # fmt: skip
        kept = self._kept.get(path)
        if kept is None or kept.shape != value.shape or kept.dtype != value.dtype:
            kept = self._kept[path] = _create_cpu_state_dict({"it": value})["it"]
        copied: Tensor = _copy_state_dict({"it": value}, {"it": kept}, type_check=False)["it"]
        return copied
