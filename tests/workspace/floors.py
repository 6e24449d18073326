"""The floors of the house: which package may import which, read from the syntax trees."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.workspace.tree import python_files

UP_TO_DIST = frozenset({"engine_config", "engine_registry", "engine_dist"})
# The arrows of the architecture; a package may always import itself.
ALLOWED: dict[str, frozenset[str]] = {
    "engine_config": frozenset(),
    "engine_registry": frozenset({"engine_config"}),
    "engine_dist": frozenset({"engine_config", "engine_registry"}),
    "engine_optim": UP_TO_DIST,
    "engine_dataset": UP_TO_DIST,
    "engine_evaluator": UP_TO_DIST,
    "engine_runner": UP_TO_DIST | {"engine_optim", "engine_dataset", "engine_evaluator"},
}


# What stands on torch.distributed.checkpoint, which takes longer to import than torch itself, and so
# is imported when it is used.
LATE = frozenset(
    {
        "engine_dist.wrappers.fully_sharded",
        *(
            f"engine_dist.checkpoint.{name}"
            for name in ("sharded", "sharded_metadata", "sharded_reading", "sharded_splits")
        ),
    }
)


def forbidden_edges(package: str, source: Path) -> list[str]:
    """Return the imports under a folder that lead to a package which is not below this one."""
    return [
        f"{file}:{line}: {package} imports {target}"
        for file, tree in python_files(source)
        for line, target in _imported(tree)
        if target in ALLOWED and target != package and target not in ALLOWED[package]
    ]


def hidden_imports(source: Path) -> list[str]:
    """Return the imports of our own packages that stand inside a function."""
    return [
        f"{file}:{line}: imports {target or 'relatively'} inside a function"
        for file, tree in python_files(source)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for line, name in _named(function)
        if ((target := _top(name)) in ALLOWED or not target) and name not in LATE
    ]


def scattered_imports(source: Path) -> list[str]:
    """Return the third-party libraries that more than one function imports, and all its places."""
    places: dict[str, dict[str, int]] = defaultdict(dict)
    for file, tree in python_files(source):
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for line, target in _imported(function):
                    if target and target not in ALLOWED and target not in sys.stdlib_module_names:
                        places[target][f"{file}:{function.lineno}"] = line
    return [
        f"{library} is imported in {len(found)} functions: {', '.join(found)}; let one hand it out"
        for library, found in sorted(places.items())
        if len(found) > 1
    ]


def _imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and top-level package of every import; the name is empty if relative."""
    return ((line, _top(name)) for line, name in _named(tree))


def _named(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and module of every import; the name is empty if relative."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "" if node.level else node.module or ""
        elif isinstance(node, ast.Call) and (name := _called_import(node)):
            yield node.lineno, name


def _called_import(call: ast.Call) -> str:
    """Return the literal name given to ``import_module`` or ``__import__``, if it is one."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name not in {"import_module", "__import__"} or not call.args:
        return ""
    value = getattr(call.args[0], "value", "")
    return value if isinstance(value, str) else ""


def _top(name: str) -> str:
    return name.partition(".")[0]
