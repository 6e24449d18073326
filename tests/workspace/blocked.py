"""Run a piece of Python in a process where some packages cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_BLOCKER = """
import sys

class Blocker:
    names = {names!r}

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] in cls.names:
            raise ImportError(f"{{fullname}} is blocked", name=fullname)
        return None

sys.meta_path.insert(0, Blocker)
"""


def run_blocked(code: str, names: Iterable[str], cwd: Path) -> str:
    """Return what the code prints; raise with its error output if it fails.

    The names are of top-level packages; importing one raises :class:`ImportError` there.
    """
    return printed_by(_BLOCKER.format(names=sorted(names)) + code, cwd)


def printed_by(code: str, cwd: Path) -> str:
    """Return what code prints in a process of its own; raise with its error output if it fails."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
