"""Circles of imports between the modules of a package, those for types alone counted."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path


def modules(package: Path) -> dict[str, Path]:
    """Return the modules of a package by their full names."""
    found = {}
    for file in package.rglob("*.py"):
        parts = file.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def circle(package: Path) -> list[str]:
    """Return the names along a circle, the first also last; nothing where there is none."""
    known = modules(package)
    edges = {name: set(_imported(name, file, known)) - {name} for name, file in known.items()}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        names: list[str] = error.args[1]
        return names
    return []


def _imported(name: str, file: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Yield the modules that one imports, wherever it says so."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield from (one for one in (inner if inner in known else base,) if one in known)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)
