"""How long files and functions may be."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 50


def oversized(files: list[Path], root: Path) -> dict[str, int]:
    """Return every file and function beyond its size, as ``path`` or ``path:name``, with lines."""
    found: dict[str, int] = {}
    for file in files:
        text = file.read_text(encoding="utf-8")
        place = file.relative_to(root).as_posix()
        if (lines := len(text.splitlines())) > FILE_LINES:
            found[place] = lines
        for name, length in _functions(ast.parse(text, str(file))):
            if length > FUNCTION_LINES:
                found[f"{place}:{name}"] = length
    return found


def verdict(found: Mapping[str, int], exceptions: Mapping[str, str]) -> list[str]:
    """Return what is too long without a written reason, and the reasons that nothing needs."""
    return [
        *(f"{place}: {lines} lines" for place, lines in found.items() if place not in exceptions),
        *(f"{place}: needs no exception any more" for place in exceptions if place not in found),
        *(f"{place}: gives no reason" for place, why in exceptions.items() if len(why) < 20),
    ]


def _functions(tree: ast.AST, prefix: str = "") -> list[tuple[str, int]]:
    """Return the dotted name and the lines of every function, from ``def`` to its last line."""
    found: list[tuple[str, int]] = []
    for node in ast.iter_child_nodes(tree):
        inner = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{prefix}{node.name}."
            if not isinstance(node, ast.ClassDef):
                found.append((prefix + node.name, (node.end_lineno or 0) - node.lineno + 1))
        found += _functions(node, inner)
    return found
