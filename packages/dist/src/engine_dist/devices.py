"""What this machine computes on."""

from __future__ import annotations

from typing import Any

import torch

__all__ = [
    "get_device",
    "get_max_cuda_memory",
    "get_max_musa_memory",
    "is_cuda_available",
    "is_dipu_available",
    "is_mlu_available",
    "is_mps_available",
    "is_musa_available",
    "is_npu_available",
    "is_npu_support_full_precision",
]

_MIB = 2**20
_FIRST_FULL_PRECISION_NPU = 220  # Ascend 910B and newer


def get_device() -> str:
    """Return the kind of device to train on: "cuda", "npu", "mps", …, or "cpu"."""
    accelerator = current_accelerator()
    return "cpu" if accelerator is None else accelerator.type


def current_accelerator() -> torch.device | None:
    """Return the device of the accelerator that is there, or None.

    torch 2.6 answers with what it was built for, whether it is there or not.
    """
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None


def is_cuda_available() -> bool:
    """Tell whether a CUDA (or ROCm) device is there."""
    return torch.cuda.is_available()


def is_npu_available() -> bool:
    """Tell whether an Ascend NPU and its plug-in are there."""
    return _plugin_available("npu")


def is_mlu_available() -> bool:
    """Tell whether a Cambricon MLU and its plug-in are there."""
    return _plugin_available("mlu")


def is_mps_available() -> bool:
    """Tell whether Apple's Metal backend is there."""
    return torch.backends.mps.is_available()


def is_musa_available() -> bool:
    """Tell whether a Moore Threads GPU and its plug-in are there."""
    return _plugin_available("musa")


def is_dipu_available() -> bool:
    """Tell whether a device behind the DIPU layer and its plug-in are there."""
    return _plugin_available("dipu")


def is_npu_support_full_precision() -> bool:
    """Tell whether the NPU computes in fp32 rather than in fp16 alone; False without an NPU."""
    if not is_npu_available():
        return False
    version: int = torch.get_device_module("npu").utils.get_soc_version()
    return version >= _FIRST_FULL_PRECISION_NPU


def get_max_cuda_memory(device: torch.device | None = None) -> int:
    """Return the most memory that tensors held on a CUDA device since the last call, in MiB."""
    return _peak_memory(torch.cuda, device)


def get_max_musa_memory(device: torch.device | None = None) -> int:
    """Return the most memory that tensors held on a MUSA device since the last call, in MiB."""
    return _peak_memory(torch.get_device_module("musa"), device)


def _peak_memory(module: Any, device: torch.device | None) -> int:
    peak: int = module.max_memory_allocated(device=device)
    module.reset_peak_memory_stats()
    return peak // _MIB


def _plugin_available(name: str) -> bool:
    """Ask the module that a device plug-in hangs into torch (autoloaded since torch 2.5)."""
    module = getattr(torch, name, None)
    return module is not None and bool(module.is_available())
