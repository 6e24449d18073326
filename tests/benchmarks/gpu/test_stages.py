"""A stage has a process of its own, which is ended in time; what one needs is said at the start."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import torch
from benchmarks.gpu import __main__ as checks
from benchmarks.gpu import needs
from benchmarks.gpu.marked import files_with_marks
from benchmarks.gpu.report import Report
from benchmarks.gpu.stages import GRACE, STAGES, Stage, run_stage

from tests.workspace.tree import PACKAGES, ROOT


def stage(function: str) -> Stage:
    return Stage("it", f"tests.benchmarks.gpu.acting:{function}", 60)


def test_one_that_passes() -> None:
    found = run_stage(stage("passes"), dry_run=False, seconds=60)
    assert (found.status, found.result) == ("passed", {"dry_run": False, "seconds": 60 - GRACE})
    assert found.goals[0].at_most == 2.0


def test_one_that_raises() -> None:
    found = run_stage(stage("raises"), dry_run=False, seconds=60)
    assert found.status == "failed"
    assert "RuntimeError: out of memory" in found.reason


def test_one_that_hangs_is_ended_with_all_that_it_started() -> None:
    found = run_stage(stage("hangs"), dry_run=False, seconds=GRACE + 0.1)
    assert found.status == "late"
    (child,) = re.findall(r"started (\d+)", found.reason)
    end = time.monotonic() + 60
    while runs(int(child)):
        assert time.monotonic() < end
        time.sleep(0.02)


def runs(process: int) -> bool:
    """Tell whether a process is there and is no zombie."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_one_that_there_is_no_time_for() -> None:
    found = run_stage(stage("passes"), dry_run=False, seconds=GRACE)
    assert (found.status, found.reason) == ("late", "no time was left for it")


def test_a_dry_run_is_here(tmp_path: Path) -> None:
    report = Report(tmp_path / "gpu.json", dry_run=True, machine={})
    checks.run(report, [stage("passes"), stage("raises")], 60)
    assert [found.status for found in report.stages] == ["passed", "failed"]
    assert report.stages[0].result["dry_run"] is True


def test_all_stages_fit_into_the_time_of_a_run() -> None:
    assert sum(one.seconds for one in STAGES) <= checks.SECONDS <= 8 * 60


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needs.lacking() is None
    monkeypatch.setitem(needs.NEEDED, "no_such_module", "its-name")
    said = needs.lacking() or ""
    assert "cannot import what the packages need: its-name." in said
    assert "--target .gpu_site its-name" in said


def test_the_needs_are_those_of_the_packages() -> None:
    declared = {
        re.split(r"[><=; ]", requirement)[0]
        for package in PACKAGES
        for requirement in package.settings["project"]["dependencies"]
    }
    ours = {name for name in declared if name and not name.startswith("engine-")}
    assert ours - {"tomli"} == set(needs.NEEDED.values()) - {"tomli"}
    script = (ROOT / "scripts" / "gpu_checks.sh").read_text()
    assert [name for name in ours if name not in script.split("set -euo")[0]] == []


def test_without_a_device_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert checks.main(["--out", str(tmp_path / "gpu.json")]) == 2
    assert "sees no CUDA device; with --dry-run" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_only_files_with_marked_tests_are_run() -> None:
    files = [file.relative_to(ROOT).as_posix() for file in files_with_marks(ROOT / "tests")]
    assert "tests/optim/wrappers/test_guard.py" in files
    assert "tests/runner/test_runner.py" not in files
