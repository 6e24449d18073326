"""Python text to syntax tree."""

from __future__ import annotations

import ast

from engine_config.errors import ConfigSyntaxError
from engine_config.values.origins import Origin

# What `ast.literal_eval` raises for a text that is no literal.
NO_LITERAL = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)


def syntax_tree(text: str, file: str, compiled: bool = False) -> ast.Module:
    """Parse a Python text.

    Parameters
    ----------
    compiled
        Whether to find what only compiling does, such as a keyword that is given twice.
    """
    try:
        tree = ast.parse(text, file)
        if compiled:
            compile(tree, file, "exec", dont_inherit=True)
        return tree
    except SyntaxError as error:
        at = Origin(file, error.lineno or 1, error.offset or 1)
        raise ConfigSyntaxError(f"{error.msg}; correct the syntax", at) from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise ConfigSyntaxError(f"cannot be parsed: {error}", Origin(file, 1)) from error


def is_globals(node: ast.expr) -> bool:
    """Whether an expression is ``globals()``, by which a printed config sets any key."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "globals"
        and not (node.args or node.keywords)
    )


def is_read_base(node: ast.stmt) -> bool:
    """Whether a statement is ``with read_base():``."""
    if not isinstance(node, ast.With):
        return False
    call = node.items[0].context_expr
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "read_base"
    )
