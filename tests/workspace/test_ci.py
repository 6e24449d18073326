"""The one command that runs every check."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.workspace.tree import PACKAGES, ROOT, environments

RUN = ROOT / ".ci" / "run"
TEXT = RUN.read_text(encoding="utf-8")


def test_it_can_be_run() -> None:
    assert os.access(RUN, os.X_OK)
    assert "set -euo pipefail" in TEXT
    subprocess.run(["bash", "-n", str(RUN)], check=True)


def test_it_ends_with_what_the_test_command_of_the_readme_printed() -> None:
    assert "stage tests hatch run test\n" in TEXT
    assert TEXT.rstrip().splitlines()[-1] == 'cat "$logs/passed/tests"'


def test_what_failed_fails_it(tmp_path: Path) -> None:
    """Run the script where ``hatch`` is a command that fails at one stage."""
    fake = tmp_path / "hatch"
    fake.write_text('#!/bin/sh\necho "said by $*"\n[ "$*" != "run lint" ]\n')
    fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(RUN)]
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "==> lint: FAILED" in done.stdout
    assert "==> types: passed" in done.stdout
    assert done.stdout.rstrip().endswith("in all: lint")
    fake.write_text('#!/bin/sh\necho "said by $*"\n')
    done = subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout.rstrip().endswith("said by run test")


def test_it_tests_each_package_alone() -> None:
    (listed,) = re.findall(r"for name in ([\w ]+); do", TEXT)
    assert sorted(listed.split()) == [package.name for package in PACKAGES]


def test_it_checks_what_there_is_to_check() -> None:
    commands = [
        "types",
        "lint",
        "build",
        "train",
        "docs:build",
        "wheels:test",
        "wheel-config:test",
    ]
    assert [command for command in commands if f"hatch run {command}\n" not in TEXT] == []
    assert {"types", "lint", "build", "train", "test"} <= set(environments()["default"]["scripts"])
