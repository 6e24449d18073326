"""Expressions of a config read as data: one method for each kind of node that data may have."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from typing import Any

from engine_config.errors import ConfigLimitError, ConfigSecurityError, ConfigSyntaxError
from engine_config.near_names import MissingAttributeError
from engine_config.reading.syntax import is_globals
from engine_config.strangers.budget import Budget
from engine_config.strangers.operations import (
    BINARY,
    COMPARE,
    FUNCTIONS,
    METHODS,
    UNARY,
    call_function,
    call_method,
    format_value,
)
from engine_config.values.config_dict import ConfigDict
from engine_config.values.origins import Origin

MAX_DEPTH = 100


class Expressions:
    """Gives expressions their values, and names theirs."""

    def __init__(self, file: str, names: dict[str, Any]) -> None:
        self.file = file
        self.names = names
        self.locals: list[dict[str, Any]] = []
        self.budget = Budget()
        self.depth = 0

    def refuse(self, node: ast.AST, what: str) -> ConfigSecurityError:
        """Return the error that something is not data."""
        trust = ", or read the file with trusted=True"
        return ConfigSecurityError(
            f"{what} is not data; write plain values{trust}",
            Origin(self.file, getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1),
            for_programs=trust,
        )

    # -------------------------------------------------------------------------- names

    def store(self, target: ast.expr, value: Any) -> None:
        """Assign a value to a target."""
        self.refuse_generator(target, value)
        if isinstance(target, ast.Name):
            (self.locals[-1] if self.locals else self.names)[target.id] = value
        elif isinstance(target, ast.Subscript):
            if is_globals(target.value):
                self.names[self.value(target.slice)] = value
            else:
                self._put(self.container(target), self.value(target.slice), value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, value)
        elif (
            isinstance(target, ast.Attribute)
            and not target.attr.startswith("__")
            and isinstance(self.value(target.value), ConfigDict)
        ):
            setattr(self.value(target.value), target.attr, value)  # of a ConfigDict, a key
        else:
            raise self.refuse(target, "this assignment")

    def refuse_generator(self, target: ast.expr, value: Any) -> None:
        """Raise where a generator is kept: run later, it would see what has changed since."""
        if type(value) is _GENERATED:
            raise ConfigSecurityError(
                f"{ast.unparse(target)} holds a generator, which is no value of its own; write list(…)",
                Origin(self.file, target.lineno, target.col_offset + 1),
            )

    def _put(self, holder: Any, key: Any, value: Any) -> None:
        if isinstance(key, slice):  # moves all the items and may make the list longer
            value = self.budget.sized(list(value))
            self.budget.sized(holder)
        holder[key] = value

    def _unpack(self, target: ast.Tuple | ast.List, value: Any) -> None:
        items = list(value)
        self.budget.spend(len(items))
        stars = [i for i, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
        if stars:
            head, tail = stars[0], len(target.elts) - stars[0] - 1
            if len(items) < head + tail:
                raise ValueError(f"{len(items)} values for {head + tail} names and a rest")
            end = len(items) - tail
            items = [*items[:head], items[head:end], *items[end:]]
        if len(items) != len(target.elts):
            raise ValueError(f"{len(items)} values for {len(target.elts)} names")
        for part, item in zip(target.elts, items, strict=True):
            self.store(part.value if isinstance(part, ast.Starred) else part, item)

    def container(self, node: ast.Subscript) -> Any:
        """Return the dictionary or list that a subscript is of."""
        holder = self.value(node.value)
        if not isinstance(holder, dict | list):
            raise TypeError(f"items of a {type(holder).__name__} cannot be set")
        return holder

    # -------------------------------------------------------------------- expressions

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression."""
        if type(node) is ast.Constant:
            return node.value
        method = _EXPRESSIONS.get(type(node))
        if method is None:
            raise self.refuse(node, f"an expression {type(node).__name__}")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ConfigLimitError(
                f"nested more than {MAX_DEPTH} deep", Origin(self.file, node.lineno)
            )
        self.budget.spend(1)
        result = method(self, node)
        self.depth -= 1
        return result

    def _name(self, node: ast.Name) -> Any:
        for names in (*reversed(self.locals), self.names):
            if node.id in names:
                return names[node.id]
        if node.id in FUNCTIONS:
            return FUNCTIONS[node.id]
        if node.id in _BUILTINS:
            raise self.refuse(node, f"the builtin {node.id!r}")
        raise NameError(f"name {node.id!r} is not defined")

    def _sequence(self, nodes: list[ast.expr]) -> list[Any]:
        items: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                items.extend(self.iterate(node.value))
            else:
                items.append(self.value(node))
        return items

    def _list_(self, node: ast.List) -> Any:
        return self._sequence(node.elts)

    def _tuple_(self, node: ast.Tuple) -> Any:
        return tuple(self._sequence(node.elts))

    def _set_(self, node: ast.Set) -> Any:
        return set(self._sequence(node.elts))

    def _dict_(self, node: ast.Dict) -> Any:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                result.update(self._mapping(value))
            else:
                result[self.value(key)] = self.value(value)
        return result

    def _mapping(self, node: ast.expr) -> dict[Any, Any]:
        value = self.value(node)
        if not isinstance(value, dict):
            raise TypeError(f"** needs a dictionary, got a {type(value).__name__}")
        self.budget.spend(len(value))
        return value

    def _unary(self, node: ast.UnaryOp) -> Any:
        return UNARY[type(node.op)](self.value(node.operand))

    def _binary(self, node: ast.BinOp) -> Any:
        return self.binary_of(node, type(node.op), self.value(node.left), self.value(node.right))

    def binary_of(self, node: ast.AST, kind: Any, left: Any, right: Any) -> Any:
        """Apply an operator."""
        if kind not in BINARY:
            raise self.refuse(node, f"the operator {kind.__name__}")
        return self.budget.sized(BINARY[kind](left, right))

    def _boolean(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        for part in node.values[:-1]:
            value = self.value(part)
            if bool(value) is stop:
                return value
        return self.value(node.values[-1])

    def _compare(self, node: ast.Compare) -> Any:
        left = self.value(node.left)
        result: Any = True
        for operator, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.value(comparator)
            result = COMPARE[type(operator)](left, right)
            if not result:
                return result
            left = right
        return result

    def _choice(self, node: ast.IfExp) -> Any:
        return self.value(node.body if self.value(node.test) else node.orelse)

    def _subscript(self, node: ast.Subscript) -> Any:
        holder = self.value(node.value)
        if not isinstance(holder, dict | list | tuple | str | bytes | range):
            raise TypeError(f"a {type(holder).__name__} has no items")
        key = self.value(node.slice)
        return self.budget.sized(holder[key]) if isinstance(key, slice) else holder[key]

    def _slice_(self, node: ast.Slice) -> Any:
        return slice(
            *(None if x is None else self.value(x) for x in (node.lower, node.upper, node.step))
        )

    def _attribute(self, node: ast.Attribute) -> Any:
        holder = self.value(node.value)
        hidden = hasattr(type(holder), node.attr)  # by a method: cfg['items'] reads such a key
        if isinstance(holder, ConfigDict) and node.attr in holder and not hidden:
            return holder[node.attr]
        if isinstance(holder, ConfigDict) and not node.attr.startswith("_") and not hidden:
            raise MissingAttributeError(node.attr, holder)
        raise self.refuse(node, f"the attribute {node.attr!r} of a {type(holder).__name__}")

    def _call(self, node: ast.Call) -> Any:
        arguments = self._sequence(node.args)
        named = self._keywords(node.keywords)
        target = node.func
        if isinstance(target, ast.Name):
            function = self._name(target)
            if not _is_function(function):
                raise self.refuse(node, f"a call of {target.id!r}")
            return self.budget.sized(call_function(function, arguments, named))
        if isinstance(target, ast.Attribute):
            holder = self.value(target.value)
            kind = next((kind for kind in METHODS if isinstance(holder, kind)), None)
            if kind is None or target.attr not in METHODS[kind]:
                raise self.refuse(node, f"a call of {type(holder).__name__}.{target.attr}")
            return self.budget.sized(call_method(holder, target.attr, arguments, named))
        raise self.refuse(node, "this call")

    def _keywords(self, keywords: list[ast.keyword]) -> dict[str, Any]:
        named: dict[str, Any] = {}
        written: set[str] = set()
        for keyword in keywords:
            if keyword.arg in written:
                raise ConfigSyntaxError(
                    f"keyword argument repeated: {keyword.arg}; leave one out",
                    Origin(self.file, keyword.lineno, keyword.col_offset + 1),
                )
            if keyword.arg is None:
                items = self._mapping(keyword.value)
            else:
                written.add(keyword.arg)
                items = {keyword.arg: self.value(keyword.value)}
            for name in items.keys() & named.keys():
                raise TypeError(f"got multiple values for keyword argument {name!r}")
            named.update(items)
        return named

    def _joined(self, node: ast.JoinedStr) -> Any:
        return self.budget.sized("".join(str(self.value(part)) for part in node.values))

    def _formatted(self, node: ast.FormattedValue) -> Any:
        spec = "" if node.format_spec is None else str(self.value(node.format_spec))
        return format_value(self.value(node.value), node.conversion, spec)

    def _named(self, node: ast.NamedExpr) -> Any:
        value = self.value(node.value)
        self.refuse_generator(node.target, value)
        self.names[node.target.id] = value
        return value

    # ----------------------------------------------------------------- comprehensions

    def iterate(self, node: ast.expr) -> Iterator[Any]:
        """Yield the items of an expression, each a step."""
        value = self.value(node)
        if not hasattr(value, "__iter__"):
            raise TypeError(f"a {type(value).__name__} cannot be iterated over")
        for item in value:
            self.budget.spend(1)
            yield item

    def _rounds(self, generators: list[ast.comprehension]) -> Iterator[None]:
        if not generators:
            yield None
            return
        first, *rest = generators
        if first.is_async:
            raise ConfigSecurityError("an asynchronous comprehension is not data")
        for item in self.iterate(first.iter):
            self.store(first.target, item)
            if all(self.value(test) for test in first.ifs):
                yield from self._rounds(rest)

    def _comprehension(self, generators: list[ast.comprehension]) -> Iterator[None]:
        self.locals.append({})
        try:
            yield from self._rounds(generators)
        finally:
            self.locals.pop()

    def _list_of(self, node: ast.ListComp) -> Any:
        return [self.value(node.elt) for _ in self._comprehension(node.generators)]

    def _generator(self, node: ast.GeneratorExp) -> Any:
        # Made at once: what consumes it sees the same values, as it is not kept.
        return iter([self.value(node.elt) for _ in self._comprehension(node.generators)])

    def _set_of(self, node: ast.SetComp) -> Any:
        return {self.value(node.elt) for _ in self._comprehension(node.generators)}

    def _dict_of(self, node: ast.DictComp) -> Any:
        return {
            self.value(node.key): self.value(node.value)
            for _ in self._comprehension(node.generators)
        }


_GENERATED: type[Any] = type(iter([]))
_FUNCTION_IDS = {id(function) for function in FUNCTIONS.values()}
_BUILTINS = frozenset(dir(builtins))


def _is_function(value: Any) -> bool:
    """Whether a value is one of the pure builtins: compared by identity, whatever it says."""
    return id(value) in _FUNCTION_IDS


_EXPRESSIONS: dict[type, Callable[..., Any]] = {
    ast.Name: Expressions._name,
    ast.List: Expressions._list_,
    ast.Tuple: Expressions._tuple_,
    ast.Set: Expressions._set_,
    ast.Dict: Expressions._dict_,
    ast.UnaryOp: Expressions._unary,
    ast.BinOp: Expressions._binary,
    ast.BoolOp: Expressions._boolean,
    ast.Compare: Expressions._compare,
    ast.IfExp: Expressions._choice,
    ast.Subscript: Expressions._subscript,
    ast.Slice: Expressions._slice_,
    ast.Attribute: Expressions._attribute,
    ast.Call: Expressions._call,
    ast.JoinedStr: Expressions._joined,
    ast.FormattedValue: Expressions._formatted,
    ast.NamedExpr: Expressions._named,
    ast.ListComp: Expressions._list_of,
    ast.GeneratorExp: Expressions._generator,
    ast.SetComp: Expressions._set_of,
    ast.DictComp: Expressions._dict_of,
}
