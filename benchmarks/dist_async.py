"""How long a training loop stands still for a save of 500 MB in the background."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import harness
from benchmarks.dist_save import MEGABYTES
from engine_dist.checkpoint.asynchronous import AsyncSaver


def state() -> dict[str, torch.Tensor]:
    """Return 100 tensors."""
    return {f"layer{i}": torch.rand(MEGABYTES * 2500) for i in range(100)}


class Stall:
    """Times the call alone; what is written in the background is waited for untimed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER"))
        self._saver = AsyncSaver()
        self._state = state()

    def sample(self, repeats: int) -> float:
        """Save so many times; return the seconds that the caller waited."""
        seconds = 0.0
        for _ in range(repeats):
            start = time.perf_counter()
            self._saver.save(self._state, Path(self._folder.name, "a.pth"))
            seconds += time.perf_counter() - start
            self._saver.wait()
        return seconds

    def close(self) -> None:
        """Remove what was written."""
        self._saver.close()
        self._folder.cleanup()


def make_copy() -> Callable[[], None]:
    """Copy into kept buffers, tensor by tensor."""
    held = state()
    kept = {name: torch.empty_like(value) for name, value in held.items()}

    def copy() -> None:
        for name, value in held.items():
            kept[name].copy_(value)

    return copy


if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            f"Standing still while {MEGABYTES} MB are saved in the background",
            {"copy into kept buffers": make_copy, "engine_dist": Stall},
            reference="copy into kept buffers",
            at_most={"engine_dist": 1.5},
        )
    )
