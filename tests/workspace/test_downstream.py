"""What a project on top of the packages sees of their types, under ``mypy --strict``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.workspace.tree import PACKAGES, ROOT

FOLDER = ROOT / "tests" / "downstream"


def checked(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Check files with no settings but strictness; of the packages themselves nothing is told."""
    paths = os.pathsep.join(str(package.source.parent) for package in PACKAGES)
    options = ["--strict", "--config-file=", "--follow-imports=silent"]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"--cache-dir={FOLDER / '.mypy_cache'}", *files],
        cwd=folder,
        env={**os.environ, "MYPYPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_project_is_well_typed() -> None:
    done = checked(FOLDER, "project.py", "usage.py")
    assert done.returncode == 0, done.stdout


def test_what_is_wrong_is_seen(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "from engine_runner import Runner\n"
        "from engine_runner.hooks import Hook\n"
        "class Odd(Hook[Runner]):\n"
        "    def before_run(self, runner: Runner) -> None:\n"
        "        runner.no_such_attribute\n"
        "    def after_train_iter(self, runner: Runner, batch_idx: str) -> None: ...\n"
    )
    told = checked(tmp_path, "wrong.py").stdout
    assert '"Runner" has no attribute "no_such_attribute"' in told
    assert 'Signature of "after_train_iter" incompatible' in told
