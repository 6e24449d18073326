"""What a config read as data may compute."""

from __future__ import annotations

import ast
import operator
import string
from collections.abc import Callable
from typing import Any

from engine_config.errors import ConfigSecurityError
from engine_config.values.config_dict import ConfigDict

# ------------------------------------------------------------------------- operators

BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}
# What these do to a list, a dictionary or a set is to be counted by the above first.
IN_PLACE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.iadd,
    ast.Sub: operator.isub,
    ast.Mult: operator.imul,
    ast.BitOr: operator.ior,
    ast.BitAnd: operator.iand,
    ast.BitXor: operator.ixor,
}
UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}

# ------------------------------------------------------------------------- functions

FUNCTIONS: dict[str, Any] = {
    function.__name__: function
    for function in (
        *(abs, all, any, bool, bytes, chr, complex, dict, divmod, enumerate, float, frozenset),
        *(hex, int, len, list, max, min, oct, ord, pow, range, repr, reversed, round, set),
        *(slice, sorted, str, sum, tuple, zip),
    )
}


def call_function(function: Any, arguments: list[Any], named: dict[str, Any]) -> Any:
    """Call a pure builtin."""
    if function in (str, bytes):
        _check_encoding(*arguments, **named)
    if function is sum and isinstance((*arguments[1:], *named.values(), 0)[0], str | bytes):
        raise TypeError("sum() adds no strings; use ''.join(…)")
    if named.get("key") is not None:
        raise ConfigSecurityError("a key function is not data")
    return function(*arguments, **named)


def _check_encoding(_: Any = None, encoding: Any = "utf-8", *rest: Any, **named: Any) -> None:
    encoding = named.get("encoding", encoding)
    if str(encoding).lower() not in ("utf-8", "utf8", "ascii", "latin-1", "latin1"):
        raise ConfigSecurityError(f"the encoding {encoding!r} is not data; use utf-8")


# --------------------------------------------------------------------------- methods

_METHODS: dict[type, str] = {
    str: "capitalize casefold center count endswith find format index isalnum isalpha isdigit"
    " isidentifier islower isspace istitle isupper join ljust lower lstrip partition removeprefix"
    " removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith"
    " strip swapcase title upper zfill",
    bytes: "hex",
    dict: "copy get items keys pop setdefault update values clear",
    list: "append clear copy count extend index insert pop remove reverse sort",
    tuple: "count index",
    set: "add copy difference discard intersection remove union update",
    frozenset: "copy difference intersection union",
    range: "count index",
}
METHODS = {kind: frozenset(names.split()) for kind, names in _METHODS.items()}


def call_method(holder: Any, name: str, arguments: list[Any], named: dict[str, Any]) -> Any:
    """Call a plain method."""
    if name == "format" and isinstance(holder, str):
        return _Formatter().vformat(holder, arguments, named)
    if named.get("key") is not None:
        raise ConfigSecurityError("a key function is not data")
    if name == "copy" and isinstance(holder, ConfigDict):
        return holder.copy()
    return getattr(holder, name)(*arguments, **named)


class _Formatter(string.Formatter):
    """``str.format`` that reaches for no attribute and no item."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        if "." in field_name or "[" in field_name:
            raise ConfigSecurityError(f"the format field {field_name!r} reaches into a value")
        return super().get_field(field_name, args, kwargs)


_CONVERSIONS: dict[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}


def format_value(value: Any, conversion: int, spec: str) -> str:
    """Format one value as an f-string does."""
    if conversion != -1:
        value = _CONVERSIONS[chr(conversion)](value)
    return format(value, spec)
