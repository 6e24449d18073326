"""Hold a package's public names against MMEngine's, where the list of them is at hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CHECK = ROOT.parent / "shared" / "parity" / "check_api.py"
EXCEPTIONS = ROOT / "tests" / "parity_exceptions.toml"


def differences(home: str) -> list[str]:
    """Return what the check says of the names whose first home is ``home``; empty if nothing.

    Skips the test where the list of MMEngine's names is not beside the repository.
    """
    if not CHECK.is_file():
        pytest.skip("the list of MMEngine's public names is not beside this repository")
    done = subprocess.run(
        [sys.executable, str(CHECK), "--homes", home, "--exceptions", str(EXCEPTIONS)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1) or "as in MMEngine" not in done.stdout:
        raise RuntimeError(f"the check itself failed:\n{done.stdout}{done.stderr}")
    return done.stdout.splitlines()[:-1] if done.returncode else []
