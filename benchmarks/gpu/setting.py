"""What a stage is told."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Setting"]


@dataclass(frozen=True)
class Setting:
    """How a stage is to run.

    Attributes
    ----------
    dry_run : bool
        On the CPU, with a tiny model, to see whether all of it runs.
    seconds : float
        What it may take, from when this was made.
    folder : Path
        Where it may write; removed afterwards.
    """

    dry_run: bool
    seconds: float
    folder: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def device(self) -> str:
        """Where it runs."""
        return "cpu" if self.dry_run else "cuda"

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.begun + self.seconds - time.monotonic()
