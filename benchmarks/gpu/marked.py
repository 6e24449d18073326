"""The tests marked ``gpu``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.gpu.needs import FOR_TESTS, missing
from benchmarks.gpu.report import StageResult
from benchmarks.gpu.setting import Setting

__all__ = ["files_with_marks", "marked_tests"]

NAME = "tests"
ROOT = Path(__file__).parents[2]


def files_with_marks(folder: Path) -> list[Path]:
    """Return the test files that mark a test ``gpu``; the others need not be imported."""
    return [
        file
        for file in sorted(folder.rglob("test_*.py"))
        if re.search(r"\bmark\.gpu\b", file.read_text(encoding="utf-8"))
    ]


def marked_tests(setting: Setting) -> StageResult:
    """Run them, or in a dry run collect them."""
    absent = missing(FOR_TESTS)
    if absent:
        return StageResult(NAME, "skipped", 0.0, f"{', '.join(absent)} cannot be imported")
    files = [str(file.relative_to(ROOT)) for file in files_with_marks(ROOT / "tests")]
    xml = setting.folder / "tests.xml"
    command = [
        sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider",
        "--import-mode=importlib",
        f"--junitxml={xml}", *(["--collect-only"] if setting.dry_run else []), *files,
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=setting.left()
    )
    if setting.dry_run:
        return _collected(done.stdout, len(files), done.returncode)
    return _ran(xml, done.stdout, done.returncode)


def _collected(said: str, files: int, ended: int) -> StageResult:
    names = [line for line in said.splitlines() if "::" in line]
    if ended or not names:
        return StageResult(NAME, "failed", 0.0, said[-2000:])
    result = {"files": files, "collected": len(names)}
    return StageResult(
        NAME, "passed", 0.0, skipped=["running the tests, which needs CUDA"], result=result
    )


def _ran(xml: Path, said: str, ended: int) -> StageResult:
    if not xml.is_file():
        return StageResult(NAME, "failed", 0.0, said[-2000:])
    (suite,) = ElementTree.parse(xml).getroot().iter("testsuite")
    result = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    result["seconds"] = round(float(suite.get("time", 0)))
    status, reason = ("failed", said[-2000:]) if ended else ("passed", "")
    return StageResult(NAME, status, 0.0, reason, result=result)  # type: ignore[arg-type]  # one of its words
