"""Which style a Python config is of, and the imports that tell it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine_config.errors import ConfigStyleError
from engine_config.reading.holes import without_holes
from engine_config.reading.syntax import is_read_base, syntax_tree
from engine_config.values.origins import Origin

_IMPORTS = re.compile(r"^[ \t]*(?:from|import|with)\b", re.MULTILINE)
# It begins with the end of the line above, which is far faster to look for than a line's begin.
_STATEMENT = re.compile(
    r"\n(?=[fiw])(?:(?:from|import)\b(?:[^\n\\(]+|\([^)]*\)|\\\n)*"
    r"|with[ \t]+read_base\(\)[^\n]*(?:\n(?:[ \t]+[^\n]*|(?=\n)))*)"
)
_WORD = re.compile(r"\b(?:import|read_base)\b")
_END = r"[ \t]*(?:\#[^\n]*)?"
_FROM = re.compile(
    rf"\nfrom[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]*([\w \t,]+|\((?:[\w\s,]|\#[^\n]*)*\)){_END}",
    re.ASCII,
)
_IMPORT = re.compile(rf"\nimport[ \t]+([\w. \t,]+){_END}", re.ASCII)
_READ = re.compile(
    rf"\nwith read_base\(\):{_END}"
    rf"(?:\n(?:[ \t]+from[ \t]+[\w.]+[ \t]+import[ \t]+(?:\*|[\w \t,]+))?{_END})*",
    re.ASCII,
)
_COMMENT = re.compile(r"#[^\n]*")
_BASE = re.compile(r"^_base_[ \t]*(?::[^=\n]*)?=(?!=)", re.MULTILINE)


class Import(NamedTuple):
    """A name that an import binds, and what to: a module, or a name of it."""

    bound: str
    module: str
    name: str = ""
    is_relative: bool = False


class Outline(NamedTuple):
    """What a text imports other than bases, and where it says ``with read_base():``, if it does.

    ``fault`` is the place of a statement in there that names no base.
    """

    imports: list[Import]
    read_line: int = 0
    has_base: bool = False
    fault: Origin | None = None


def lazy_outline(text: str, file: str, force: bool | None = None) -> Outline | None:
    """Return the outline of a Python config if it is of the lazy style, else ``None``.

    It is, if it says ``with read_base():``, or imports anything that is not Python's own and
    assigns no ``_base_``, or where ``force`` says so.

    Raises
    ------
    ConfigStyleError
        It assigns ``_base_`` and says ``with read_base():``, or a statement in there names no
        base.
    """
    may_import = ("import" in text or "read_base" in text) and _IMPORTS.search(text)
    if force is False or (force is None and not may_import):
        return None
    found = _outline(text, file)
    if found.has_base and (found.read_line or force):
        raise ConfigStyleError(
            "_base_ belongs to the text style and `with read_base():` to the lazy style; "
            "a file uses one of them",
            Origin(file, found.read_line or 1),
        )
    if found.fault is not None:
        raise ConfigStyleError(
            "within `with read_base():` stands only `from … import …`", found.fault
        )
    foreign = any(one.is_relative or not is_own_module(one.module) for one in found.imports)
    return found if force or found.read_line or (foreign and not found.has_base) else None


def has_long_strings(text: str) -> bool:
    """Whether a line may be within a string."""
    return '"""' in text or "'''" in text


def find_base(text: str, begin: int = 0) -> re.Match[str] | None:
    """Return the next line that sets ``_base_``, or that looks so within a string."""
    return _BASE.search(text, begin) if "_base_" in text else None


def _outline(text: str, file: str) -> Outline:
    """Return the outline of a text.

    To parse all of it only for its imports would cost as much as to compile it, so they are read
    off their lines where that is safe.
    """
    if not has_long_strings(text) and not find_base(text):
        quick = quick_outline(text)
        if quick is not None:
            return quick
    return outline_of(syntax_tree(without_holes(text), file), file)


def quick_outline(text: str) -> Outline | None:
    """Read the outline of a text without long strings off its lines; ``None`` if not that plain.

    What is no Python is not seen: that shows when the text is compiled.
    """
    imports: list[Import] = []
    read_line = end = 0
    text = f"\n{text}"
    for match in _STATEMENT.finditer(text):
        statement = match.group()
        if _imports(text, end, match.start()):
            return None
        end = match.end()
        plain = _FROM.fullmatch(statement)
        if plain is not None:
            dots, module, names = plain.groups()
            found = _bindings(_COMMENT.sub("", names.strip("()")))
            new = [Import(bound, module, name, bool(dots)) for name, bound in found]
        elif plain := _IMPORT.fullmatch(statement):
            new = [_module(name, bound) for name, bound in _bindings(plain.group(1))]
        elif _READ.fullmatch(statement):
            read_line = read_line or text.count("\n", 0, match.start() + 1)
            continue
        else:
            return None
        if not new:
            return None
        imports += new
    return None if _imports(text, end, len(text)) else Outline(imports, read_line)


def _imports(text: str, begin: int, end: int) -> bool:
    """Whether a part of a text may import, also amid a line."""
    words = text.find("import", begin, end) >= 0 or text.find("read_base", begin, end) >= 0
    return words and _WORD.search(text, begin, end) is not None


def _bindings(names: str) -> list[tuple[str, str]]:
    """Return each name of ``a, b as c`` with what it is bound to; nothing if it is not that."""
    found: list[tuple[str, str]] = []
    for part in names.split(","):
        words = part.split()
        if len(words) == 1 or (len(words) == 3 and words[1] == "as"):
            found.append((words[0], words[-1]))
        elif words:
            return []
    return found


def _module(name: str, bound: str) -> Import:
    """Return what ``import name as bound`` binds; without an ``as`` both are the same."""
    if bound == name:
        bound = name = name.partition(".")[0]
    return Import(bound, name)


def outline_of(tree: ast.Module, file: str) -> Outline:
    """Return the outline of a syntax tree."""
    imports: list[Import] = []
    fault: Origin | None = None
    read_line = 0
    of_bases: set[int] = set()
    for node in statements(tree.body):
        if is_read_base(node):
            read_line = read_line or node.lineno
            for inner in getattr(node, "body", ()):
                of_bases.add(id(inner))
                if not isinstance(inner, ast.ImportFrom | ast.Pass):
                    fault = fault or Origin(file, inner.lineno, inner.col_offset + 1)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                imports.append(_module(alias.name, alias.asname or alias.name))
        elif isinstance(node, ast.ImportFrom) and id(node) not in of_bases:
            for alias in node.names:
                bound, module = alias.asname or alias.name, node.module or ""
                imports.append(Import(bound, module, alias.name, bool(node.level)))
    return Outline(imports, read_line, any(map(is_base, tree.body)), fault)


def statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements and those within them, from outside in; expressions are not looked at."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(node, name, None)
            if inner:
                yield from statements(inner)


def is_base(node: ast.stmt) -> bool:
    """Whether a statement sets ``_base_``."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(isinstance(target, ast.Name) and target.id == "_base_" for target in targets)


def is_own_module(name: str) -> bool:
    """Whether a module is Python's own."""
    return name.split(".")[0] in sys.stdlib_module_names
