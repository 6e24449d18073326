"""The one command that runs every check."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.workspace.tree import PACKAGES, ROOT, environments

RUN = ROOT / ".ci" / "run"
TEXT = RUN.read_text(encoding="utf-8")


def run_with(folder: Path, hatch: str) -> subprocess.CompletedProcess[str]:
    """Run the script where ``hatch`` is the given lines of shell."""
    fake = folder / "hatch"
    fake.write_text(f"#!/bin/sh\n{hatch}\n")
    fake.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(RUN)], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )


def test_it_can_be_run() -> None:
    assert os.access(RUN, os.X_OK)
    assert "set -euo pipefail" in TEXT
    subprocess.run(["bash", "-n", str(RUN)], check=True)


def test_it_ends_with_what_the_test_command_of_the_readme_counted(tmp_path: Path) -> None:
    """Also where a process says something behind it, at its very end."""
    done = run_with(tmp_path, 'echo "said by $*"\necho "== 3 passed in 1 s =="\necho behind')
    assert done.returncode == 0
    assert "said by run test\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "== 3 passed in 1 s =="


def test_what_failed_fails_it(tmp_path: Path) -> None:
    done = run_with(tmp_path, 'echo "said by $*"\n[ "$*" != "run lint" ]')
    assert done.returncode == 1
    assert "==> lint: FAILED" in done.stdout
    assert "==> types: passed" in done.stdout
    assert done.stdout.rstrip().endswith("in all: lint")


def test_it_tests_each_package_alone() -> None:
    (listed,) = re.findall(r"for name in ([\w ]+); do", TEXT)
    parts = re.findall(r'hatch run \+package=(\w+) isolated:test -q -k "(test_\w+)', TEXT)
    assert all(list((ROOT / "tests").rglob(f"{part}.py")) for _, part in parts)
    alone = [*listed.split(), *(name for name, _ in parts)]
    assert sorted(alone) == [package.name for package in PACKAGES]


def test_it_checks_what_there_is_to_check() -> None:
    commands = [
        "types",
        "lint",
        "build",
        "train",
        "docs:build",
        "bounds",
        "gpu-checks",
        "wheels:test",
        "wheel-config:test",
    ]
    run = set(re.findall(r"hatch run ([\w:-]+)", TEXT))
    assert set(commands) - run == set()
    assert {"types", "lint", "build", "train", "test"} <= set(environments()["default"]["scripts"])
