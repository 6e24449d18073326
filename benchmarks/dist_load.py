"""Loading 500 MB in 100 tensors with mmap: left on the disk until they are used."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

from benchmarks import harness
from benchmarks.dist_save import MEGABYTES, state
from engine_dist.checkpoint import load_checkpoint_file, save_checkpoint

_folder = tempfile.TemporaryDirectory()


@cache
def path() -> Path:
    """Write the file, once."""
    file = Path(_folder.name, "a.pth")
    save_checkpoint(state(), file)
    return file


def make_torch() -> Callable[[], object]:
    """``torch.load``."""
    file = path()
    return lambda: torch.load(file, mmap=True, weights_only=True, map_location="cpu")


def make_ours() -> Callable[[], object]:
    """``load_checkpoint_file``."""
    file = path()
    return lambda: load_checkpoint_file(file, mmap=True)


if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            f"Loading {MEGABYTES} MB with mmap",
            {"torch.load(mmap=True)": make_torch, "engine_dist": make_ours},
            reference="torch.load(mmap=True)",
            at_most={"engine_dist": 1.1},
        )
    )
