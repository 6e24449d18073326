"""The role: how a state gets to a file and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.forms import FormName
from engine_dist.checkpoint.splits import Like

__all__ = ["StateIO"]


class StateIO(ABC):
    """Writes and reads states; every process calls it. Parameters as `Strategy` has them."""

    @abstractmethod
    def save(
        self,
        state: Mapping[str, Any],
        path: str | Path,
        backend_args: Mapping[str, Any] | None,
        form: FormName,
        saver: AsyncSaver | None,
    ) -> None:
        """Write ``state`` once for all processes; without a saver, return when it is there."""

    @abstractmethod
    def load(
        self, path: str | Path, map_location: str | torch.device, like: Like | None
    ) -> dict[str, Any]:
        """Return what was written, split as ``like`` says."""
