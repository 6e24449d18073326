"""Run the examples that the documentation shows."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run_readme(path: str | Path) -> int:
    """Execute every fenced python block of a file, in order and in one namespace; return how many.

    A relative path starts at the repository's root.  An error's traceback names the file and line.
    """
    file = ROOT / path
    text = file.read_text(encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "readme"}
    count = 0
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start(1))
        code = compile("\n" * line + match.group(1), str(file), "exec")
        exec(code, namespace)
        count += 1
    return count


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
