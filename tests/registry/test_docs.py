"""Documentation, parity and types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs_examples import ROOT, run_docstrings, run_readme
from tests.parity import differences

USAGE = """
from typing import Any
from engine_registry import HOOKS, Registry, build_as

class Net: ...
class Hook: ...

NETS = Registry[Net]("net")

@NETS.register_module()
class Deep(Net):
    def __init__(self, depth: int) -> None:
        self.depth = depth

@NETS.register_module(name="fn")
def make(depth: int) -> Deep:
    return Deep(depth)

value: Any = "Hook"
reveal_type(NETS.build({"type": "Deep"}))
reveal_type(Deep(3).depth)
reveal_type(make(3))
reveal_type(build_as(HOOKS, value, Hook))
reveal_type(NETS.register_module(module=Deep))
Deep("wrong")
"""
REVEALED = ["Net", "int", "Deep", "Hook", "def (depth: int) -> usage.Deep"]


def test_readme() -> None:
    assert run_readme("packages/registry/README.md") >= 5


def test_docstrings() -> None:
    assert run_docstrings("engine_registry") >= 20


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the check itself reads TOML")
def test_parity() -> None:
    assert differences("engine_registry") == []


def test_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    file = tmp_path / "usage.py"
    file.write_text(USAGE)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=.", "usage.py"],
        cwd=tmp_path,
        env={"MYPYPATH": ":".join(str(p) for p in ROOT.glob("packages/*/src")), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("usage.py")]
    assert len(lines) == len(REVEALED) + 1, done.stdout + done.stderr
    for line, revealed in zip(lines, REVEALED, strict=False):
        assert f'{revealed}"' in line
    assert 'Argument 1 to "Deep" has incompatible type "str"' in lines[-1]
