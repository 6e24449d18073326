"""The one command that runs every check."""

from __future__ import annotations

import os
import re
import subprocess

from tests.workspace.tree import PACKAGES, ROOT, environments

RUN = ROOT / ".ci" / "run"
TEXT = RUN.read_text(encoding="utf-8")


def test_it_can_be_run() -> None:
    assert os.access(RUN, os.X_OK)
    assert "set -euo pipefail" in TEXT
    subprocess.run(["bash", "-n", str(RUN)], check=True)


def test_it_ends_with_the_test_command_of_the_readme() -> None:
    assert TEXT.rstrip().splitlines()[-1] == "hatch run test"


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
