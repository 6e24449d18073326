"""Run the examples that the documentation shows."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run_readme(path: str | Path) -> int:
    """Run the fenced python blocks of a file as one program; return how many there are.

    So does a reader who puts them into a file: a process that it starts may import it anew.  A
    relative path starts at the repository's root.  An error's traceback has the lines of the file.
    """
    text = (ROOT / path).read_text(encoding="utf-8")
    blocks = list(_FENCE.finditer(text))
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "readme.py")
        program.write_text(_code(text, blocks), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error", program],
            cwd=folder,
            env={**os.environ, "TMPDIR": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise AssertionError(f"{path}\n{done.stdout}{done.stderr}")
    return len(blocks)


def _code(text: str, blocks: list[re.Match[str]]) -> str:
    """Return the blocks, each at the line where it stands."""
    lines: list[str] = []
    for block in blocks:
        lines += [""] * (text.count("\n", 0, block.start(1)) - len(lines))
        lines += block[1].splitlines()
    return "\n".join([*lines, ""])


def modules(package: str) -> Iterator[str]:
    """Yield the package and every module below it by name."""
    root = importlib.import_module(package)
    yield package
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        yield info.name


def run_docstrings(package: str) -> int:
    """Run the doctests of a package and all its modules; return how many examples there were."""
    attempted = 0
    for name in modules(package):
        if name.endswith("__main__"):
            continue
        result = doctest.testmod(
            importlib.import_module(name),
            optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
        )
        if result.failed:
            raise AssertionError(f"{result.failed} examples of {name} failed; see the output")
        attempted += result.attempted
    return attempted
