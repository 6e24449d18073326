"""What a release would break is told before it is made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version
from scripts.api_changes import may_break

from tests.workspace.commands import copy_of_the_repository, run

SOURCE = "packages/registry/src/engine_registry"
needs_griffe = pytest.mark.skipif(
    shutil.which("griffe") is None, reason="griffe is not on the path of this environment"
)


def compare(copy: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/api_changes.py", *names]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("last", "current", "allowed"),
    [
        ("0.1.0", "0.1.1", False),
        ("0.1.9", "0.2.0", True),
        ("0.9.0", "1.0.0", True),
        ("1.2.0", "1.3.0", False),
        ("1.2.0", "2.0.0", True),
        ("0.1.0", "0.1.0", False),
    ],
)
def test_which_versions_may_break(last: str, current: str, allowed: bool) -> None:
    assert may_break(Version(last), Version(current)) is allowed


def test_without_a_release_there_is_nothing_to_compare(tmp_path: Path) -> None:
    done = compare(copy_of_the_repository(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "engine-registry: no release yet" in done.stdout


def test_a_name_that_is_no_package(tmp_path: Path) -> None:
    done = compare(copy_of_the_repository(tmp_path), "wheels")
    assert done.returncode == 2
    assert "no such package: wheels; there are config" in done.stdout


@needs_griffe
def test_what_is_broken_needs_a_version_that_says_so(tmp_path: Path) -> None:
    copy = copy_of_the_repository(tmp_path)
    run("git tag engine-registry-v0.0.9 && git tag engine-registry-v0.1.0", copy)
    done = compare(copy, "registry")
    assert done.stdout == "engine-registry: nothing is broken since 0.1.0\n"
    assert done.returncode == 0
    replace(copy / SOURCE / "build.py", "def build_from_cfg(", "def build_of_cfg(")
    done = compare(copy, "registry")
    assert done.returncode == 1
    assert "build_from_cfg" in done.stdout
    assert "(cd packages/registry && hatch version minor)" in done.stdout
    replace(copy / SOURCE / "__init__.py", '__version__ = "0.1.0"', '__version__ = "0.2.0"')
    done = compare(copy, "registry")
    assert "engine-registry: 0.2.0 says so" in done.stdout
    assert done.returncode == 0
