"""Python configs: finding ``_base_``, running a text, and what it has set."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from engine_config.errors import ConfigError, ConfigExecutionError
from engine_config.evaluate import evaluate
from engine_config.lazy_objects import module_of, stands_at
from engine_config.origins import Origin
from engine_config.outline import find_base, has_long_strings, is_base
from engine_config.parsing import NO_LITERAL, parse
from engine_config.substitution import Substitution, without_holes


def take_bases(text: str, file: str, holes: Substitution) -> tuple[str, Any, int]:
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
        nodes = [node for node in parse(without_holes(text), file).body if is_base(node)]
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
        return evaluate("\n" * (line - 1) + statement, file, scope).get("_base_", [])
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


def _may_branch(text: str) -> bool:
    """Whether a line may begin a statement of which not every part must run."""
    return any(f"\n{word}" in text or text.startswith(word) for word in _BRANCHING)


_BRANCHING = ("if", "for", "while", "try")


class _Lines:
    """Notes the lines of one code that run."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.executed: set[int] = set()

    def __call__(self, frame: FrameType, event: str, _: object) -> _Lines | None:
        if frame.f_code is not self.code:
            return None
        self.executed.add(frame.f_lineno)
        return self


def run(text: str, file: str, scope: dict[str, Any]) -> set[int] | None:
    """Compile and run a config's text in a scope; return the lines that ran if it has branches.

    They are not known where the program is itself traced, by a debugger for one.

    Raises
    ------
    ConfigSyntaxError
        It does not parse.
    ConfigExecutionError
        It raises; the error names the line.
    """
    try:
        code = compile(text, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        parse(text, file, compiled=True)  # raises what is ours, with the place
        raise ConfigExecutionError("cannot be compiled", Origin(file, 1)) from None
    before = sys.gettrace()
    trace = _Lines(code) if _may_branch(text) and isinstance(before, _Lines | None) else None
    try:
        if trace is not None:
            sys.settrace(trace)
        exec(code, scope)
    except ConfigError as error:
        error.origin = error.origin or Origin(file, _line(error, file))
        raise
    except (Exception, SystemExit) as error:
        at = Origin(file, _line(error, file))
        raise ConfigExecutionError(f"{type(error).__name__}: {error}", at) from error
    finally:
        if trace is not None:
            sys.settrace(before)
    return None if trace is None else trace.executed


def _line(error: BaseException, file: str) -> int:
    """Return the last line of a file that an error passed."""
    line = 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def own_values(scope: dict[str, Any]) -> dict[Any, Any]:
    """Return what a text has set: no modules, functions, imported classes, ``__`` names."""
    return {
        key: value
        for key, value in _named(scope)
        if not isinstance(value, ModuleType | FunctionType)
        and not (isinstance(value, type) and value.__name__ == key)
    }


def lazy_values(scope: dict[str, Any]) -> dict[Any, Any]:
    """Return what a lazy-style text has set, once the names that it imports are taken away.

    Functions and classes that it defines are left out; those of a module are values.
    """
    return {
        key: value
        for key, value in _named(scope)
        if not isinstance(value, _DEFINED) or not _is_defined_here(key, value)
    }


def defined_here(scope: dict[str, Any]) -> dict[str, Any]:
    """Return the functions and classes that a text defines, by name."""
    return {
        key: value
        for key, value in _named(scope)
        if isinstance(value, _DEFINED) and _is_defined_here(key, value)
    }


def _named(scope: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in scope.items():
        if isinstance(key, str) and (key.startswith("__") or key == "_base_"):
            continue
        if module_of(type(value)) != "__future__":  # what such an import binds is of Python
            yield key, value


_DEFINED = (FunctionType, type)


def _is_defined_here(key: Any, value: FunctionType | type) -> bool:
    if isinstance(value, type) and value.__name__ != key:
        return False
    return not stands_at(value, module_of(value), value.__qualname__)
