"""Which stages there are, and how each is run: in a process of its own, that is ended in time.

A dry run calls them here, one after the other: the imports of each would cost more than the stage.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from benchmarks.gpu.report import StageResult
from benchmarks.gpu.setting import Setting

__all__ = ["STAGES", "Stage", "called", "in_a_child", "run_stage"]

GRACE = 5.0  # seconds that a stage has for its start and its end, beside those it is told


@dataclass(frozen=True)
class Stage:
    """A stage, and what may be spent on it.

    Attributes
    ----------
    target : str
        ``module:function`` that is called with a `Setting` and returns a `StageResult`'s parts.
    seconds : float
        The most that it may take.
    """

    name: str
    target: str
    seconds: float


# In the order of a run.  Together at most 470 s, the time of a whole run.
STAGES = (
    Stage("tests", "benchmarks.gpu.marked:marked_tests", 80),
    Stage("eager", "benchmarks.gpu.steps:eager", 100),
    Stage("compiled", "benchmarks.gpu.steps:compiled", 150),
    Stage("async save", "benchmarks.gpu.stall:stall", 60),
    Stage("fsdp2", "benchmarks.gpu.sharded:sharded", 80),
)


def run_stage(stage: Stage, dry_run: bool, seconds: float) -> StageResult:
    """Run a stage for at most so many seconds, in a dry run for as long as it takes."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu_checks_") as folder:
        if dry_run:
            found = _here(stage, Setting(True, seconds, Path(folder)))
        elif seconds <= GRACE:
            found = StageResult(stage.name, "late", 0.0, "no time was left for it")
        else:
            found = in_a_child(stage, Setting(False, seconds, Path(folder)))
    return replace(found, seconds=round(time.monotonic() - start, 1))


def called(stage: Stage, setting: Setting) -> StageResult:
    """Call what a stage names."""
    module, _, function = stage.target.partition(":")
    found: StageResult = getattr(import_module(module), function)(setting)
    return found


def _here(stage: Stage, setting: Setting) -> StageResult:
    try:
        return called(stage, setting)
    except Exception:
        return StageResult(stage.name, "failed", 0.0, traceback.format_exc()[-3000:])


def in_a_child(stage: Stage, setting: Setting) -> StageResult:
    """Run a stage in a process of its own, which is ended when its time is over."""
    out = setting.folder / "result.json"
    command = [
        sys.executable, "-m", "benchmarks.gpu.child", stage.name, stage.target, "--out", str(out),
        "--seconds", str(setting.seconds - GRACE), "--folder", str(setting.folder),
    ]  # fmt: skip
    ended, said = _within(command, setting.seconds)
    if ended is None:
        why = f"ended after {setting.seconds:.0f} s, its time; its last words: {said}"
        return StageResult(stage.name, "late", 0.0, why)
    if ended or not out.is_file():
        return StageResult(stage.name, "failed", 0.0, f"exit status {ended}: {said}")
    return StageResult.of(out.read_text(encoding="utf-8"))


def _within(command: Sequence[str], seconds: float) -> tuple[int | None, str]:
    """Run a command, ended with all that it started after so many seconds.

    Returns
    -------
    tuple of (int or None, str)
        Its exit status, None where it was ended, and the end of what it said.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            ended: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            ended = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        return ended, output.read()[-3000:].strip()
