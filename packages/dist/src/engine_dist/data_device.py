"""Where data lies, where a group communicates, and bringing the one to the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as torch_dist
from torch import Tensor
from torch.distributed import ProcessGroup

from engine_dist.ranks import get_backend

T = TypeVar("T")


def _tensors(data: object) -> Iterator[Tensor]:
    if isinstance(data, Tensor):
        yield data
        return
    if isinstance(data, Mapping):
        items: Sequence[object] = list(data.values())
    elif isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        items = data
    else:
        raise TypeError(
            "data must be a tensor, a sequence of tensors or a dict of tensors, got "
            f"{type(data).__name__}: {data!r:.100}"
        )
    if not items:
        raise ValueError("data must not be empty: an empty container lies on no device")
    for item in items:
        yield from _tensors(item)


def get_data_device(data: Tensor | Sequence[Any] | Mapping[Any, Any]) -> torch.device:
    """Return the one device on which all tensors of (nested) data lie.

    Raises
    ------
    TypeError
        Where something is no tensor or container of tensors.
    ValueError
        Where a container is empty, or tensors lie on different devices.
    """
    devices = {tensor.device for tensor in _tensors(data)}
    if len(devices) > 1:
        names = ", ".join(sorted(map(str, devices)))
        raise ValueError(f"all tensors must lie on one device, got {names}: move them first")
    return devices.pop()


def get_comm_device(group: ProcessGroup | None = None) -> torch.device:
    """Return the device whose tensors the group's backend communicates; cpu without a group."""
    backend = get_backend(group)
    if backend is None:
        return torch.device("cpu")
    kinds = _device_kinds(backend)
    if "cpu" in kinds or not kinds:
        return torch.device("cpu")
    kind = kinds[0]
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is not None and accelerator.type == kind:
        return torch.device(kind, torch.accelerator.current_device_index())
    return torch.device(kind)


def _device_kinds(backend: str) -> list[str]:
    """Name the device kinds of a backend: "gloo", a plug-in's, or "cpu:gloo,cuda:nccl"."""
    if ":" in backend:
        return [part.split(":")[0] for part in backend.split(",")]
    return torch_dist.Backend.backend_capability.get(backend.lower(), [])


def cast_data_device(data: T, device: torch.device | str, out: T | None = None) -> T:
    """Return data with every tensor on ``device``; with ``out``, copy into its tensors.

    Raises
    ------
    TypeError
        Where something is no tensor or container of tensors, or ``out`` is of another type.
    ValueError
        Where ``out`` has another length.
    KeyError
        Where ``out`` lacks a key.
    """
    if out is not None and type(out) is not type(data):
        raise TypeError(
            f"out must have the type of data, got {type(out).__name__} for {type(data).__name__}"
        )
    result: Any
    if isinstance(data, Tensor):
        result = data.to(device)
        if isinstance(out, Tensor):
            out.copy_(result.broadcast_to(out.shape) if out.shape != result.shape else result)
    elif isinstance(data, Mapping):
        result = _cast_mapping(data, device, out)
    elif isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        result = _cast_sequence(data, device, out)
    else:
        raise TypeError(
            "data must be a tensor, a sequence of tensors or a dict of tensors, got "
            f"{type(data).__name__}: {data!r:.100}"
        )
    return result  # type: ignore[no-any-return]  # of data's own type


def _cast_mapping(data: Mapping[Any, Any], device: torch.device | str, out: Any) -> dict[Any, Any]:
    return {
        key: cast_data_device(value, device, None if out is None else out[key])
        for key, value in data.items()
    }


def _cast_sequence(data: Sequence[Any], device: torch.device | str, out: Any) -> Sequence[Any]:
    if out is not None and len(out) != len(data):
        raise ValueError(f"out must have the length of data, got {len(out)} for {len(data)}")
    targets = [None] * len(data) if out is None else out
    items = [cast_data_device(v, device, t) for v, t in zip(data, targets, strict=True)]
    return tuple(items) if isinstance(data, tuple) else items
