"""Reads a text-style Python config as data: its syntax tree is interpreted, no code runs.

What may stand in such a file: literals, containers, comprehensions, arithmetic, comparisons,
formatting, conditions, loops over what is there, pure builtins and the plain methods of strings,
lists and dictionaries.  Everything else is a ``ConfigSecurityError`` that names the line.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from engine_config.errors import (
    ConfigError,
    ConfigExecutionError,
    ConfigLimitError,
    ConfigSecurityError,
    ConfigSyntaxError,
)
from engine_config.reading.syntax import syntax_tree
from engine_config.strangers.budget import passing
from engine_config.strangers.expressions import Expressions
from engine_config.strangers.operations import IN_PLACE
from engine_config.values.origins import Origin

MAX_TEXT = 8_000_000


def interpret(
    text: str, file: str, scope: dict[str, Any], executed: set[int] | None = None
) -> dict[str, Any]:
    """Interpret a config's text and return the names that it sets.

    Parameters
    ----------
    scope
        Names that the text may use from the start.
    executed
        Takes the lines of the statements that run.

    Raises
    ------
    ConfigSecurityError
        The text does what data may not do.
    ConfigLimitError
        The text is too large, too deep or takes too many steps.
    ConfigSyntaxError, ConfigExecutionError
        The text is wrong.
    """
    if len(text) > MAX_TEXT:
        raise ConfigLimitError(
            f"{len(text)} characters are more than the {MAX_TEXT} that are read as data",
            Origin(file, 1),
        )
    evaluator = _Statements(file, dict(scope))
    tree = syntax_tree(text, file)
    evaluator.executed = set() if executed is None else executed
    evaluator.run(tree.body)
    evaluator.refuse_passing(tree)
    return evaluator.names


class _Break(Exception):  # noqa: N818 - control flow
    pass


class _Continue(Exception):  # noqa: N818 - control flow
    pass


class _Statements(Expressions):
    """Runs statements; one method for each kind that data may have."""

    executed: set[int]
    loops = 0  # how many are around the statement that runs

    def run(self, body: list[ast.stmt]) -> None:
        for statement in body:
            method = _STATEMENTS.get(type(statement))
            if method is None:
                raise self.refuse(statement, f"a statement {type(statement).__name__}")
            self.executed.add(statement.lineno)
            self.guarded(method, statement)

    def refuse_passing(self, tree: ast.Module) -> None:
        """Raise where a name stands for what can be read but once, such as ``zip(…)``."""
        for name, value in self.names.items():
            found = passing(value)
            if found is None:
                continue
            lines = [
                node.lineno
                for node in ast.walk(tree)
                if isinstance(node, ast.Name) and node.id == name
            ]
            raise ConfigSecurityError(
                f"{name} holds a {type(found).__name__}, which is no value of its own; write "
                f"list(…), or `del {name}` once it is used up",
                Origin(self.file, max(lines, default=1)),
            )

    def guarded(self, method: Callable[..., Any], node: Any) -> Any:
        """Call a method for a node; say where in the file it failed."""
        at = Origin(self.file, node.lineno, node.col_offset + 1)
        try:
            return method(self, node)
        except (_Break, _Continue):
            raise
        except ConfigError as error:
            error.origin = error.origin or at
            raise
        except RecursionError:
            raise ConfigLimitError("nested too deep to be read as data", at) from None
        except MemoryError:
            raise ConfigLimitError(
                "takes more memory than it may to be read as data", at
            ) from None
        except Exception as error:
            raise ConfigExecutionError(f"{type(error).__name__}: {error}", at) from error

    def assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.store(target, value)

    def annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.store(node.target, self.value(node.value))

    def augmented(self, node: ast.AugAssign) -> None:
        old, value, kind = self.value(node.target), self.value(node.value), type(node.op)
        if isinstance(old, list) and kind is ast.Add:
            value = list(value)  # += takes whatever has items
        new = self.binary_of(node, kind, old, value)
        if isinstance(old, list | dict | set) and kind in IN_PLACE:
            new = IN_PLACE[kind](old, value)  # for whoever else holds it
        self.store(node.target, new)

    def expression(self, node: ast.Expr) -> None:
        self.value(node.value)

    def branch(self, node: ast.If) -> None:
        self.run(node.body if self.value(node.test) else node.orelse)

    def loop(self, node: ast.For) -> None:
        for item in self.iterate(node.iter):
            self.store(node.target, item)
            self.loops += 1
            try:
                self.run(node.body)
            except _Continue:
                continue
            except _Break:
                return
            finally:
                self.loops -= 1
        self.run(node.orelse)

    def delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                del self.names[target.id]
            elif isinstance(target, ast.Subscript):
                holder = self.container(target)
                self.budget.sized(holder)  # the items behind move up
                del holder[self.value(target.slice)]
            else:
                raise self.refuse(target, "this del")

    def nothing(self, node: ast.Pass) -> None:
        pass

    def leave(self, node: ast.Break) -> None:
        self.within_loop("break")
        raise _Break

    def go_on(self, node: ast.Continue) -> None:
        self.within_loop("continue")
        raise _Continue

    def within_loop(self, word: str) -> None:
        if not self.loops:
            raise ConfigSyntaxError(f"{word!r} outside a loop; correct the syntax")


_STATEMENTS: dict[type, Callable[..., None]] = {
    ast.Assign: _Statements.assign,
    ast.AnnAssign: _Statements.annotated,
    ast.AugAssign: _Statements.augmented,
    ast.Expr: _Statements.expression,
    ast.If: _Statements.branch,
    ast.For: _Statements.loop,
    ast.Delete: _Statements.delete,
    ast.Pass: _Statements.nothing,
    ast.Break: _Statements.leave,
    ast.Continue: _Statements.go_on,
}
