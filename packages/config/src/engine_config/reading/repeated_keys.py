"""Keys that a dictionary display of a Python config gives twice: Python takes the last, unsaid."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from engine_config.overriding.merge import warn
from engine_config.reading.syntax import NO_LITERAL
from engine_config.values.origins import Origin

# Most configs say dict(…) alone, of which Python itself refuses a key that is given twice.
_DISPLAY = re.compile(r"\{\s*(?:#[^\n]*\s*)*(?:[-.\d]|\w{,2}['\"])")
_NUMBERED = re.compile(r"[{,]\s*-?\.?\d[\w.]*\s*:")
_TOKEN = re.compile(
    r"""(?s)[^'"#{}]+|"""
    r"""("{3}.*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')(\s*:)?|({)|(})|#[^\n]*"""
)


def warn_of_repeated_keys(text: str, file: str) -> None:
    """Warn of each key that stands twice in one dictionary display of a text that has run."""
    if _DISPLAY.search(text) is None or not _may_repeat(text):
        return
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except NO_LITERAL:  # whoever ran it has said what is wrong with it
        return
    for node in nodes:
        if isinstance(node, ast.Dict):
            for key, first, at in _repeated(node):
                warn(
                    f"the key {key!r} is given twice, first in line {first}, and the last counts; "
                    f"remove one",
                    Origin(file, at.lineno, at.col_offset + 1),
                )


def _may_repeat(text: str) -> bool:
    """Whether a key seems to stand twice between braces: to parse takes thirty times as long."""
    if _NUMBERED.search(text):
        return True
    open_: list[set[str]] = [set()]
    for text_, colon, opening, closing in _TOKEN.findall(text):
        if colon:
            key = text_.strip("'\"")
            if key in open_[-1]:
                return True
            open_[-1].add(key)
        elif opening:
            open_.append(set())
        elif closing and len(open_) > 1:
            open_.pop()
    return False


def _repeated(node: ast.Dict) -> Iterator[tuple[object, int, ast.expr]]:
    """Yield each plain key that stood before, the line where it did, and where it stands again."""
    seen: dict[object, int] = {}
    for key in node.keys:
        if isinstance(key, ast.Constant | ast.UnaryOp):
            try:
                value = ast.literal_eval(key)
            except NO_LITERAL:
                continue
            if value in seen:
                yield value, seen[value], key
            seen[value] = key.lineno
