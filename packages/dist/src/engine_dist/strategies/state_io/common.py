"""The forms that every strategy reads: one file, or a folder of parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from engine_dist.checkpoint import load_checkpoint_file
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.forms import FormName, form_of
from engine_dist.checkpoint.splits import Like
from engine_dist.strategies.state_io.state_io import StateIO

__all__ = ["CommonState"]


class CommonState(StateIO):
    """One file of the whole state, or a folder that each process writes its parts to."""

    def save(
        self,
        state: Mapping[str, Any],
        path: str | Path,
        backend_args: Mapping[str, Any] | None,
        form: FormName,
        saver: AsyncSaver | None,
    ) -> None:
        """Write ``state``."""
        form_of(form, backend_args).save(state, path, saver)

    def load(
        self, path: str | Path, map_location: str | torch.device, like: Like | None
    ) -> dict[str, Any]:
        """Read it; every process reads the file, or its parts in the folder."""
        if like is None:
            return load_checkpoint_file(str(path), map_location=map_location)
        from engine_dist.checkpoint.sharded_splits import load_like

        return load_like(str(path), like, map_location)
