"""Run the checks, see `scripts/gpu_checks.sh`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.needs import lacking
from benchmarks.gpu.report import Report, StageResult, faults
from benchmarks.gpu.stages import STAGES, Stage, run_stage

SECONDS = 470.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages that are asked for; return 1 where one failed or missed a goal."""
    given = _options().parse_args(argv)
    problem = lacking() or _no_device(given.dry_run)
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    chosen = [stage for stage in STAGES if not given.only or stage.name in given.only]
    report = Report(given.out, given.dry_run, _machine(given.dry_run))
    run(report, chosen, given.seconds)
    return _end(given.out, chosen)


def run(report: Report, stages: Sequence[Stage], seconds: float) -> None:
    """Run stages one after the other, all of them within so many seconds."""
    start = time.monotonic()
    report.write()
    for stage in stages:
        left = seconds - (time.monotonic() - start)
        found = run_stage(stage, report.dry_run, min(stage.seconds, left))
        report.add(found, time.monotonic() - start)
        print(_line(found), flush=True)


def _end(out: Path, stages: Sequence[Stage]) -> int:
    """Say what of the written report is amiss."""
    report = json.loads(out.read_text(encoding="utf-8"))
    found = faults(report, [stage.name for stage in stages])
    for fault in found:
        print(f"not as it should be: {fault}", file=sys.stderr)
    print(f"{out}: {report['seconds']} s")
    return 1 if found else 0


def _line(stage: StageResult) -> str:
    goals = "".join(
        f"; {goal.what} {goal.value:.4g} (at most {goal.at_most:g})" for goal in stage.goals
    )
    why = f": {stage.reason}" if stage.reason else ""
    left_out = "".join(f"; without {what}" for what in stage.skipped)
    return f"==> {stage.name}: {stage.status} in {stage.seconds:.0f} s{goals}{left_out}{why}"


def _machine(dry_run: bool) -> dict[str, Any]:
    import torch

    found: dict[str, Any] = {
        "device": "cpu" if dry_run else torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    if not dry_run:
        found["memory_gib"] = torch.cuda.get_device_properties(0).total_memory / 2**30
        found["capability"] = list(torch.cuda.get_device_capability())
    return found


def _no_device(dry_run: bool) -> str | None:
    import torch

    if dry_run or torch.cuda.is_available():
        return None
    return (
        f"torch {torch.__version__} sees no CUDA device; with --dry-run the checks run on the CPU "
        "with a tiny model"
    )


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description="Check the engine on one GPU.")
    options.add_argument("--dry-run", action="store_true", help="a tiny model, on the CPU")
    options.add_argument("--out", type=Path, default=Path("gpu_checks.json"))
    options.add_argument("--seconds", type=float, default=SECONDS, help="for all stages together")
    options.add_argument(
        "--only", action="append", choices=[stage.name for stage in STAGES], metavar="STAGE"
    )
    return options


if __name__ == "__main__":
    raise SystemExit(main())
