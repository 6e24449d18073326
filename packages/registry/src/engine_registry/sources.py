"""Finding where a name is defined by reading source files: nothing is imported."""

from __future__ import annotations

import ast
import importlib.util
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

# An error must not take seconds: no more files of a package are read than this.
MOST_FILES = 1000
LARGEST_FILE = 1_000_000


class Definition(NamedTuple):
    """A class or function in a module's source.

    Attributes
    ----------
    module : str
        Dotted name of the module.
    file : str
        Its file.
    line : int
        Where the definition starts, counted from 1.
    registers : bool
        Whether a decorator ``register_module`` stands before it.
    """

    module: str
    file: str
    line: int
    registers: bool


def find_definitions(name: str, modules: Iterable[str]) -> list[Definition]:
    """Return where the modules, and those below them, define or register a name at top level."""
    files = {file: module for top in dict.fromkeys(modules) for module, file in _files(top)}
    found = [one for file, module in files.items() for one in _in_file(name, module, file)]
    registering = [one for one in found if one.registers]
    return registering or found


def _files(module: str) -> Iterator[tuple[str, pathlib.Path]]:
    base = _base(module)
    if base is None:
        return
    if base.is_dir():
        for file in islice(sorted(base.rglob("*.py")), MOST_FILES):
            parts = file.relative_to(base).with_suffix("").parts
            yield ".".join((module, *(part for part in parts if part != "__init__"))), file
    elif base.with_suffix(".py").is_file():
        yield module, base.with_suffix(".py")


def _base(module: str) -> pathlib.Path | None:
    """Return the folder, or the file without its suffix, that a module would be."""
    top, *rest = module.split(".")
    # A scope may come from data: no part of it may lead elsewhere, as "/etc" would.
    if top == "__main__" or not all(part.isidentifier() for part in (top, *rest)):
        return None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or top in sys.stdlib_module_names:
        return None
    if spec.submodule_search_locations:
        folders = [
            pathlib.Path(folder).joinpath(*rest) for folder in spec.submodule_search_locations
        ]
        return next((f for f in folders if f.is_dir() or f.with_suffix(".py").is_file()), None)
    return pathlib.Path(spec.origin).with_suffix("") if spec.origin and not rest else None


def _in_file(name: str, module: str, file: pathlib.Path) -> Iterator[Definition]:
    try:
        text = file.read_text(encoding="utf-8") if file.stat().st_size < LARGEST_FILE else ""
        tree = ast.parse(text) if _mentions(text, name) else None
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in tree.body if tree else ():
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = _registered_names(node)
            if name in names or name == node.name:
                yield Definition(module, str(file), node.lineno, name in names)


def _mentions(text: str, name: str) -> bool:
    """Tell whether a file is worth parsing, which takes long."""
    if name not in text:
        return False
    word = re.escape(name)
    return re.search(rf"^(class|def)\s+{word}\b|[\"']{word}[\"']", text, re.MULTILINE) is not None


def _registered_names(node: ast.ClassDef | ast.FunctionDef) -> set[str]:
    names: set[str] = set()
    for call in node.decorator_list:
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "register_module"
        ):
            given = {
                constant.value
                for value in (*call.args[:1], *(k.value for k in call.keywords if k.arg == "name"))
                for constant in ast.walk(value)
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
            }
            names |= given or {node.name}
    return names
