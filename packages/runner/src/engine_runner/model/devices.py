"""Moves to devices that torch knows by plug-ins only."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

__all__ = ["AcceleratorMoves"]


class AcceleratorMoves(nn.Module):
    """``npu``, ``mlu`` and ``musa`` beside `torch.nn.Module.cuda`, as MMEngine has them.

    Each raises torch's RuntimeError where the plug-in of its device is not installed.
    """

    def npu(self, device: int | str | torch.device | None = None) -> Self:
        """Move to an Ascend NPU."""
        return self._moved_to("npu", device)

    def mlu(self, device: int | str | torch.device | None = None) -> Self:
        """Move to a Cambricon MLU."""
        return self._moved_to("mlu", device)

    def musa(self, device: int | str | torch.device | None = None) -> Self:
        """Move to a Moore Threads GPU."""
        return self._moved_to("musa", device)

    def _moved_to(self, kind: str, device: int | str | torch.device | None) -> Self:
        return self.to(f"{kind}:{device}" if isinstance(device, int) else device or kind)
