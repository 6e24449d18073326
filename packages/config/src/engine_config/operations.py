"""What a config read as data may compute, each operation with a bound on its result."""

from __future__ import annotations

import ast
import operator
import string
from collections.abc import Callable, Iterable, Sized
from typing import Any

from engine_config.budget import Budget
from engine_config.config_dict import ConfigDict
from engine_config.errors import ConfigLimitError, ConfigSecurityError

MAX_BITS = 10_000


# ------------------------------------------------------------------------- operators


def _add(budget: Budget, left: Any, right: Any) -> Any:
    if isinstance(left, Sized) and isinstance(right, Sized):
        budget.allow(len(left) + len(right))
    return left + right


def _multiply(budget: Budget, left: Any, right: Any) -> Any:
    for many, times in ((left, right), (right, left)):
        if isinstance(many, str | bytes | list | tuple) and isinstance(times, int):
            budget.allow(len(many) * max(times, 0))
    return _bounded(left * right)


def _power(budget: Budget, left: Any, right: Any) -> Any:
    if (
        isinstance(left, int)
        and isinstance(right, int)
        and left.bit_length() * abs(right) > MAX_BITS
    ):
        raise ConfigLimitError(f"a power of more than {MAX_BITS} bits")
    return left**right


def _shift(budget: Budget, left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right > MAX_BITS:
        raise ConfigLimitError(f"a number of more than {MAX_BITS} bits")
    return left << right


def _remainder(budget: Budget, left: Any, right: Any) -> Any:
    if not isinstance(left, str | bytes):
        return left % right
    _check_widths(str(left))
    if "*" in str(left):
        raise ConfigSecurityError("a width taken from a value is not data; write the number")
    budget.walk(right)
    return budget.sized(left % right)


def _plain(function: Callable[[Any, Any], Any]) -> Callable[[Budget, Any, Any], Any]:
    def apply(budget: Budget, left: Any, right: Any) -> Any:
        budget.sized(left)
        budget.sized(right)
        return _bounded(function(left, right))

    return apply


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ConfigLimitError(f"a number of more than {MAX_BITS} bits")
    return value


BINARY: dict[type, Callable[[Budget, Any, Any], Any]] = {
    ast.Add: _add,
    ast.Sub: _plain(operator.sub),
    ast.Mult: _multiply,
    ast.Div: _plain(operator.truediv),
    ast.FloorDiv: _plain(operator.floordiv),
    ast.Mod: _remainder,
    ast.Pow: _power,
    ast.LShift: _shift,
    ast.RShift: _plain(operator.rshift),
    ast.BitOr: _plain(operator.or_),
    ast.BitAnd: _plain(operator.and_),
    ast.BitXor: _plain(operator.xor),
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


def call_function(
    budget: Budget, name: str, function: Any, arguments: list[Any], named: dict[str, Any]
) -> Any:
    """Call a pure builtin within bounds."""
    if function is dict and not arguments:
        return dict(**named)
    if function is len or function is bool:
        return function(*arguments, **named)
    budget.walk(*arguments, *named.values())
    if function is pow:
        return _pow(budget, *arguments, **named)
    if function in (dict, set, frozenset):
        arguments = _as_keys(budget, function, arguments)
    if function in (str, bytes):
        _check_encoding(*arguments, **named)
    if function is range:
        return budget.sized(range(*arguments))
    if function is bytes and arguments and isinstance(arguments[0], int):
        budget.allow(arguments[0])
    if function is sum:
        return _sum(budget, *arguments, **named)
    if named.get("key") is not None:
        raise ConfigSecurityError("a key function is not data")
    return _bounded(function(*arguments, **named))


def _pow(budget: Budget, base: Any, exp: Any, mod: Any = None) -> Any:
    return _power(budget, base, exp) if mod is None else _bounded(pow(base, exp, mod))


def _as_keys(budget: Budget, kind: Any, arguments: list[Any]) -> list[Any]:
    """Return what a set or a dictionary is made of, or takes in, with its new keys counted."""
    read = [list(items) if hasattr(items, "__next__") else items for items in arguments]
    for items in read:
        if not isinstance(items, dict | set | frozenset) and isinstance(items, Iterable):
            budget.hashed([_first(item) for item in items] if kind is dict else items)
    return read


def _first(pair: Any) -> Any:
    return pair[0] if isinstance(pair, list | tuple) and pair else pair


def _check_encoding(_: Any = None, encoding: Any = "utf-8", *rest: Any, **named: Any) -> None:
    encoding = named.get("encoding", encoding)
    if str(encoding).lower() not in ("utf-8", "utf8", "ascii", "latin-1", "latin1"):
        raise ConfigSecurityError(f"the encoding {encoding!r} is not data; use utf-8")


def _sum(budget: Budget, items: Iterable[Any], start: Any = 0) -> Any:
    if isinstance(start, str | bytes):
        raise TypeError("sum() adds no strings; use ''.join(…)")
    total = start
    for item in items:
        total = _add(budget, total, item)
    return _bounded(total)


# --------------------------------------------------------------------------- methods

METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        [
            "capitalize",
            "casefold",
            "center",
            "count",
            "endswith",
            "find",
            "format",
            "index",
            "isalnum",
            "isalpha",
            "isdigit",
            "isidentifier",
            "islower",
            "isspace",
            "istitle",
            "isupper",
            "join",
            "ljust",
            "lower",
            "lstrip",
            "partition",
            "removeprefix",
            "removesuffix",
            "replace",
            "rfind",
            "rindex",
            "rjust",
            "rpartition",
            "rsplit",
            "rstrip",
            "split",
            "splitlines",
            "startswith",
            "strip",
            "swapcase",
            "title",
            "upper",
            "zfill",
        ]
    ),
    bytes: frozenset(["hex"]),
    dict: frozenset(
        ["copy", "get", "items", "keys", "pop", "setdefault", "update", "values", "clear"]
    ),
    list: frozenset(
        [
            "append",
            "clear",
            "copy",
            "count",
            "extend",
            "index",
            "insert",
            "pop",
            "remove",
            "reverse",
            "sort",
        ]
    ),
    tuple: frozenset(["count", "index"]),
    set: frozenset(
        ["add", "copy", "difference", "discard", "intersection", "remove", "union", "update"]
    ),
    frozenset: frozenset(["copy", "difference", "intersection", "union"]),
    range: frozenset(["count", "index"]),
}

# These take the same time however much their holder has.
_QUICK: dict[type, frozenset[str]] = {
    dict: frozenset(["get", "items", "keys", "pop", "setdefault", "update", "values"]),
    list: frozenset(["append", "extend"]),
    set: frozenset(["add", "discard", "update"]),
}


def call_method(
    budget: Budget, holder: Any, name: str, arguments: list[Any], named: dict[str, Any]
) -> Any:
    """Call a plain method within bounds."""
    kind = next((kind for kind in _QUICK if isinstance(holder, kind)), object)
    budget.walk(*arguments, *named.values())
    if name not in _QUICK.get(kind, ()):
        budget.walk(holder)
    if isinstance(holder, dict | set | frozenset):
        kind = dict if isinstance(holder, dict) else set
        if name in ("add", "setdefault"):
            budget.hashed(arguments[:1])
        else:
            arguments = _as_keys(budget, kind, arguments)
    if name == "format" and isinstance(holder, str):
        return _format(budget, holder, arguments, named)
    if name == "join":
        parts: list[Any] = list(*arguments)
        budget.allow(len(holder) * len(parts) + sum(len(part) for part in parts))
        return holder.join(parts)
    if name == "replace":
        old, new = arguments[:2]
        budget.allow(len(holder) + holder.count(old) * len(new))
    if name in ("center", "ljust", "rjust", "zfill"):
        budget.allow(int(arguments[0]))
    if named.get("key") is not None:
        raise ConfigSecurityError("a key function is not data")
    if name == "copy" and isinstance(holder, ConfigDict):
        return holder.copy()
    return getattr(holder, name)(*arguments, **named)


class _Formatter(string.Formatter):
    """``str.format`` that reaches for no attribute and no item."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        if "." in field_name or "[" in field_name:
            raise ConfigSecurityError(f"the format field {field_name!r} reaches into a value")
        return super().get_field(field_name, args, kwargs)

    def format_field(self, value: Any, format_spec: str) -> Any:
        return format_value(self.budget, value, -1, format_spec)


def _format(budget: Budget, text: str, arguments: list[Any], named: dict[str, Any]) -> str:
    # vformat keeps every part in a list, so the parts were counted before they are joined.
    return str(budget.sized(_Formatter(budget).vformat(text, arguments, named)))


_CONVERSIONS: dict[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}


def format_value(budget: Budget, value: Any, conversion: int, spec: str) -> str:
    """Format one value as an f-string does."""
    _check_widths(spec)
    budget.walk(value)
    if conversion != -1:
        value = _CONVERSIONS[chr(conversion)](value)
    return str(budget.sized(format(value, spec)))


def _check_widths(spec: str) -> None:
    digits = "".join(char if char in string.digits else " " for char in spec).split()
    if any(len(number) > 4 for number in digits):
        raise ConfigLimitError(f"the width in {spec!r} has more than four digits")
