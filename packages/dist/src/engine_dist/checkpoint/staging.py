"""Copy a state into buffers that are kept from one time to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributed._state_dict_utils import _copy_state_dict, _create_cpu_state_dict

__all__ = ["Staging"]


class Staging:
    """Copies states into host memory: the first time into new buffers, then into the same.

    Tensors that share memory in a state share it in the copy.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}
        self._shared: dict[Any, Tensor] = {}

    @torch.no_grad()
    def copy(self, state: Any) -> Any:
        """Return a copy of the state that holds until the next one is made."""
        self._shared = {}
        copied = self._copy(state, "")
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()  # copies out of pinned memory are not waited for
        self._shared = {}
        return copied

    def _copy(self, value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value, path)
        if isinstance(value, Mapping):
            copied = type(value)((k, self._copy(v, f"{path}.{k}")) for k, v in value.items())  # type: ignore[call-arg]  # a dict's or an OrderedDict's own way
            if hasattr(value, "_metadata"):
                copied._metadata = value._metadata  # type: ignore[attr-defined]  # as torch keeps versions
            return copied
        if type(value) in (list, tuple):
            return type(value)(self._copy(v, f"{path}[{i}]") for i, v in enumerate(value))
        return value

    def _tensor(self, value: Tensor, path: str) -> Tensor:
        if type(value) not in (Tensor, torch.nn.Parameter):
            return self._split(value, path)
        memory = (value.data_ptr(), value.shape, value.stride(), value.dtype)
        if value.numel() and memory in self._shared:
            return self._shared[memory]
        kept = self._kept.get(path)
        if kept is None or kept.shape != value.shape or kept.dtype != value.dtype:
            pinned = value.device.type == "cuda"
            kept = torch.empty(value.shape, dtype=value.dtype, pin_memory=pinned)
            self._kept[path] = kept
        kept.copy_(value, non_blocking=value.device.type != "cpu")
        self._shared[memory] = kept
        return kept

    def _split(self, value: Tensor, path: str) -> Tensor:
        """Copy a tensor that is split over processes: its own part, in the same place of it."""
        kept = self._kept.get(path)
        if kept is None or kept.shape != value.shape or kept.dtype != value.dtype:
            kept = self._kept[path] = _create_cpu_state_dict({"it": value})["it"]
        copied: Tensor = _copy_state_dict({"it": value}, {"it": kept}, type_check=False)["it"]
        return copied
