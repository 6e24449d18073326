"""Saving 500 MB to a file that is on the disk afterwards, and what that holds in memory."""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import harness

MEGABYTES = 500
_folder = tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER"))


def state() -> dict[str, object]:
    """Return 100 tensors."""
    import torch

    return {"state_dict": {f"layer{i}": torch.rand(MEGABYTES * 2500) for i in range(100)}}


def anew(save: Callable[[Path], object], name: str) -> Callable[[], None]:
    """Save to a new file and remove the one before, as a run does that keeps its last checkpoint.

    A file that is written again in place costs the disk less: its blocks are there already.
    """
    files = (Path(_folder.name, f"{name}_{number}.pth") for number in itertools.count())
    last = next(files)

    def work() -> None:
        nonlocal last
        new = next(files)
        save(new)
        last.unlink(missing_ok=True)
        last = new

    return work


def make_torch() -> Callable[[], None]:
    """``torch.save`` to a path, and its bytes to the disk."""
    import torch

    held = state()

    def save(path: Path) -> None:
        torch.save(held, path)
        with open(path, "rb") as file:
            os.fsync(file.fileno())

    return anew(save, "torch")


def make_ours() -> Callable[[], None]:
    """``save_checkpoint``."""
    save_checkpoint = importlib.import_module("engine_dist.checkpoint").save_checkpoint
    held = state()
    return anew(lambda path: save_checkpoint(held, path), "ours")


def make_mmengine() -> Callable[[], None]:
    """MMEngine's, which writes to the page cache only."""
    save_checkpoint = importlib.import_module("mmengine.runner.checkpoint").save_checkpoint
    held = state()
    return anew(lambda path: save_checkpoint(held, str(path)), "mmengine")


def peak(factory: str, python: str) -> str:
    """Return how many MB saving adds to the most that a process holds."""
    command = [python, "-m", "benchmarks.dist_save", "--peak", factory]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().rpartition("\n")[2] or "not installed"


def _report_peak(factory: str) -> None:
    save = globals()[factory]()
    before = _most_held()
    save()
    print(f"{_most_held() - before:.0f}")


def _most_held() -> float:
    """Return the most MB that this process held; other measures count its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> int:
    """Print the table, then the memory."""
    status = harness.main(
        f"Saving {MEGABYTES} MB, on the disk afterwards",
        {
            "torch.save + fsync": make_torch,
            "engine_dist": make_ours,
            "MMEngine (no fsync)": harness.elsewhere("benchmarks.dist_save:make_mmengine"),
        },
        reference="torch.save + fsync",
        at_most={"engine_dist": 1.15},
    )
    other = os.environ.get("CONTENDER_PYTHON", sys.executable)
    print("| contender | MB in memory beside the state |\n| --- | --- |")
    for name, factory, python in [
        ("torch.save + fsync", "make_torch", sys.executable),
        ("engine_dist", "make_ours", sys.executable),
        ("MMEngine", "make_mmengine", other),
    ]:
        print(f"| {name} | {peak(factory, python)} |")
    return status


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        _report_peak(sys.argv[2])
    else:
        raise SystemExit(main())
