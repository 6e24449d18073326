"""Stages that end each in a way of its own."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.gpu.report import Goal, StageResult
from benchmarks.gpu.setting import Setting


def passes(setting: Setting) -> StageResult:
    result = {"dry_run": setting.dry_run, "seconds": setting.seconds}
    return StageResult("it", "passed", 0.0, result=result, goals=[Goal("a", 1.0, 2.0)])


def raises(setting: Setting) -> StageResult:
    raise RuntimeError("out of memory")


def hangs(setting: Setting) -> StageResult:
    # with a child of its own, as the stage of the tests has one
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("started", child.pid, flush=True)
    time.sleep(600)
    raise AssertionError
