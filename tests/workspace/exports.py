"""Hold ``__all__`` of a package against what its ``__init__`` binds."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def faults(file: Path) -> list[str]:
    """Return what is wrong with the exported members of an ``__init__.py``."""
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    listed = _listed(tree)
    if listed is None:
        return [f"{file}: no literal __all__"]
    bound = set(_bound(tree.body))
    public = {name for name in bound if not name.startswith("_") or name == "__version__"}
    public.discard("TYPE_CHECKING")  # where that is not worth the import of typing
    return [
        *(f"{file}: {name} is bound and not in __all__" for name in sorted(public - set(listed))),
        *(f"{file}: {name} is in __all__ and not bound" for name in sorted(set(listed) - bound)),
        *(f"{file}: {name} stands twice" for name in {n for n in listed if listed.count(n) > 1}),
    ]


def unsorted(folder: Path) -> str:
    """Return what ruff says of the ``__all__`` under a folder that are not sorted; empty if none.

    Natural order within constants, classes and functions: the rule that ``ruff check`` applies.
    """
    command = ["ruff", "check", "--isolated", "--quiet", "--select", "RUF022"]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--output-format", "concise", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"ruff itself failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _listed(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in _targets(node):
            try:
                return list(ast.literal_eval(node.value)) if node.value else None
            except ValueError:
                return None
    return None


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that a module binds on its own level."""
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _targets(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.If | ast.Try):
            yield from _bound(node.body)
            yield from _bound(node.orelse)


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]
