"""A text parsed as far as its bases: its style, what it says of them, and what it says else."""

from __future__ import annotations

import ast
import re
from typing import Any

from engine_config.errors import ConfigError
from engine_config.reading.data_texts import parse_data
from engine_config.reading.holes import without_holes
from engine_config.reading.outline import find_base, has_long_strings, is_base, lazy_outline
from engine_config.reading.source import Source
from engine_config.reading.substitution import Substitution
from engine_config.reading.syntax import NO_LITERAL, syntax_tree
from engine_config.strangers.statements import interpret
from engine_config.values.origins import Origin


def parse(source: Source, holes: Substitution, lazy: bool | None) -> None:
    """Find a source's style, what it names as its bases, and what is left to be evaluated."""
    if source.kind != "python":
        _parse_data(source, holes)
        return
    outline = lazy_outline(source.text, source.file, lazy) if source.trusted else None
    if outline is not None:
        source.kind, source.outline = "lazy", outline
        return
    source.rest, source.names, line = _take_bases(source.text, source.file, holes)
    source.base_origin = Origin(source.file, line)


def _parse_data(source: Source, holes: Substitution) -> None:
    text = holes.data(source.text, source.kind) if "{{" in source.text else source.text
    source.own = parse_data(text, source.file, source.kind)
    source.base_origin = holes.origin_of_bases(source.text)
    source.names = holes.bases(source.own.pop("_base_", []), source.base_origin)


def _take_bases(text: str, file: str, holes: Substitution) -> tuple[str, Any, int]:
    """Return a text without its ``_base_`` statements, what the last says, and its line.

    Lines keep their numbers.  Without bases the second is an empty list.
    """
    bases: Any = []
    line = 1
    for begin, end in _base_spans(text, file):
        statement = text[begin:end]
        statement = statement[: _second(statement)]
        line = text.count("\n", 0, begin) + 1
        filled = holes.python(statement) if "{{" in statement else statement
        bases = _base_value(filled, file, line, holes.scope())
        # Blanked, not cut: every later place keeps its line and column.
        blank = re.sub(r"[^\n]", " ", statement.rstrip("\n")) + "\n" * statement.endswith("\n")
        if begin + len(blank) < end:  # what follows on the line must not seem to be indented
            start = blank.rfind("\n") + 1
            blank = f"{blank[:start]}0;{blank[start + 2 :]}"
        text = text[:begin] + blank + text[begin + len(blank) :]
    return text, bases, line


def _base_spans(text: str, file: str) -> list[tuple[int, int]]:
    match = find_base(text)
    if match is None:
        return []
    if has_long_strings(text):  # it may stand within a string
        lines = re.findall(r"[^\n]*\n|[^\n]+", text)  # as the parser counts them
        nodes = [node for node in syntax_tree(without_holes(text), file).body if is_base(node)]
        return [
            (sum(map(len, lines[: node.lineno - 1])), sum(map(len, lines[: node.end_lineno])))
            for node in nodes
        ]
    spans: list[tuple[int, int]] = []
    while match is not None:
        end = _statement_end(text, match.start())
        spans.append((match.start(), end))
        match = find_base(text, end)
    return spans


def _second(statement: str) -> int:
    """Return where a second statement on the same lines begins, else the length."""
    try:
        nodes = ast.parse(without_holes(statement)).body if ";" in statement else []
    except NO_LITERAL:  # who reads the text says what is wrong with it
        return len(statement)
    if len(nodes) < 2:
        return len(statement)
    lines = statement.split("\n")
    above = sum(len(line) + 1 for line in lines[: nodes[1].lineno - 1])
    before = lines[nodes[1].lineno - 1].encode()[: nodes[1].col_offset]
    return above + len(before.decode())


def _base_value(statement: str, file: str, line: int, scope: dict[str, Any]) -> Any:
    try:
        return ast.literal_eval(statement.partition("=")[2].strip())
    except NO_LITERAL:
        pass
    try:
        return interpret("\n" * (line - 1) + statement, file, scope).get("_base_", [])
    except ConfigError as error:
        reason = error.message.partition("; ")[0]
        raise type(error)(
            f"_base_ is read as data, before the rest of the file: {reason}; write plain paths",
            error.origin,
        ) from error


def _statement_end(text: str, begin: int) -> int:
    """Return where the statement that begins a line ends: the first whole lines that parse."""
    end = begin
    while end < len(text):
        newline = text.find("\n", end)
        end = len(text) if newline < 0 else newline + 1
        try:
            ast.parse(without_holes(text[begin:end]))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return end
    return len(text)
