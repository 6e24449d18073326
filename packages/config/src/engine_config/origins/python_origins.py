"""Where each value of a file stands, read off its syntax tree when someone asks."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from engine_config.reading.syntax import is_globals, is_read_base, syntax_tree
from engine_config.values.origins import COMPUTED, Origin, Origins

Imports = Callable[[int, str], "dict[Any, Origins]"]


def python_origins(
    text: str, file: str, base: Origins, imports: Imports, executed: set[int] | None
) -> dict[Any, Origins]:
    """Return the origins of every name that a Python config sets.

    Parameters
    ----------
    base
        The origins of the merged bases: what ``_base_`` stands for.
    imports
        Gives the origins of a base by the level and the module of its import.
    executed
        The lines that ran, where there are branches and it is known.
    """
    reader = _Reader(text, file, base, imports)
    reader.executed = executed
    reader.run(syntax_tree(text, file).body)
    return reader.names


class _Reader:
    """Follows the statements of a config as far as they are plain."""

    def __init__(self, text: str, file: str, base: Origins, imports: Imports) -> None:
        self.file = file
        self.names: dict[Any, Origins] = {}
        self.base = base
        self.imports = imports
        self.executed: set[int] | None = None
        self.loops = 0  # how many are around the statement that is followed
        # A syntax tree counts the bytes of UTF-8.
        self.lines = [] if text.isascii() else [line.encode() for line in text.split("\n")]

    def origin(self, node: Any) -> tuple[Origin, ...]:
        column: int = node.col_offset
        if self.lines:
            column = len(self.lines[node.lineno - 1][:column].decode())
        return (Origin(self.file, node.lineno, column + 1),)

    # --------------------------------------------------------------------- statements

    def run(self, body: list[ast.stmt]) -> None:
        for node in filter(self.has_run, body):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self.assign(target, node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self.assign(node.target, node.value)
            elif isinstance(node, ast.AugAssign):
                sum_ = ast.BinOp(node.target, node.op, node.value)
                self.assign(node.target, ast.copy_location(sum_, node))
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.NamedExpr):
                self.assign(node.value.target, node.value.value)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self.called(node.value)
            elif isinstance(node, ast.Delete):
                for target in node.targets:
                    self.deleted(target)
            elif is_read_base(node):
                self.read_bases(getattr(node, "body", []))
            else:
                self.run_within(node)

    def has_run(self, node: ast.stmt) -> bool:
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        return self.executed is None or not self.executed.isdisjoint(lines)

    def run_within(self, node: ast.stmt) -> None:
        """Follow what stands within a statement, as far as it has run."""
        if isinstance(node, ast.For):
            self.assign(node.target, ast.copy_location(ast.Constant(None), node.target))
        if isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try):
            loop = isinstance(node, ast.For | ast.While)
            self.loops += loop
            self.run(node.body)
            self.loops -= loop
        if self.executed is None:
            return  # what else stands there may not have run
        for handler in getattr(node, "handlers", ()):
            self.run(handler.body)
        for name in ("orelse", "finalbody"):
            self.run(getattr(node, name, []))

    def read_bases(self, body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.ImportFrom):
                found = self.imports(node.level, node.module or "")
                # what two names of a base share is two values here
                copies = {name: origins.copy() for name, origins in found.items()}
                for alias in node.names:
                    if alias.name == "*":
                        self.names.update(copies)
                    elif alias.name in copies:
                        self.names[alias.asname or alias.name] = copies[alias.name]

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(value, ast.Call) and getattr(value.func, "attr", "") == "pop":
            self.called(value)
        if isinstance(target, ast.Tuple | ast.List):
            parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            for i, part in enumerate(target.elts):
                self.assign(part, parts[i] if len(parts) == len(target.elts) else value)
            return
        origins = self.origins(target, value)
        if isinstance(target, ast.Name):
            self.set(self.names, target.id, origins)
        elif isinstance(target, ast.Subscript | ast.Attribute):
            if isinstance(target, ast.Subscript) and is_globals(target.value):
                self.set(self.names, _constant(target.slice), origins)
                return
            holder = self.resolve(target.value, make=True)
            key = _key(target, holder)
            if holder is not None and isinstance(key, slice):
                holder.chain, holder.children = holder.chain + origins.chain, None
            elif holder is not None:
                if holder.children is None:
                    holder.children = {}
                self.set(holder.children, key, origins)

    def set(self, holder: dict[Any, Origins], key: Any, origins: Origins) -> None:
        old = holder.get(key)
        if old is not None:
            # What was set before stays in the chain; what was within it is gone.
            origins = Origins(old.chain + origins.chain, origins.children, origins.deletes)
        holder[key] = origins

    def called(self, call: ast.Call) -> None:
        """Follow ``x.update(…)``, ``x.append(…)`` and their like."""
        if not isinstance(call.func, ast.Attribute):
            return
        method = call.func.attr
        updates = method in ("update", "merge", "setdefault")
        holder = self.resolve(call.func.value, make=updates)
        if holder is None or (holder.children is None and not updates):
            return  # how many items there are is not known
        if holder.children is None:
            holder.children = {}
        if method in ("update", "merge"):
            for key, new in (self.children(_as_dict(call)) or {}).items():
                old = holder.children.get(key)
                holder.children[key] = new if old is None else new.over(old)
        elif method == "setdefault" and call.args:
            key = _constant(call.args[0])
            if key not in holder.children:
                holder.children[key] = self.origins(call.args[0], call.args[-1])
        elif method == "pop":
            self.removed(holder, _constant(call.args[0]) if call.args else -1)
        elif method in ("remove", "sort", "reverse", "clear"):
            holder.children = None
        elif COMPUTED not in holder.children:
            self.added(holder.children, method, call.args)

    def added(self, children: dict[Any, Origins], method: str, args: list[ast.expr]) -> None:
        """Follow what adds items to a list."""
        if method == "append" and args:
            origins = children[len(children)] = self.origins(args[0], args[0])
            if self.loops:  # nor is it known from here on how many items there are
                children[COMPUTED] = origins
        elif method == "insert" and len(args) == 2:
            items = [children[key] for key in sorted(k for k in children if isinstance(k, int))]
            index = _constant(args[0])
            items.insert(index if isinstance(index, int) else 0, self.origins(args[1], args[1]))
            children.update(enumerate(items))
        elif method == "extend" and args:
            more = self.children(args[0]) or {}
            start = len(children)
            children.update({start + i: origins for i, origins in enumerate(more.values())})

    def deleted(self, target: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.names.pop(target.id, None)
        elif isinstance(target, ast.Subscript | ast.Attribute):
            holder = self.resolve(target.value)
            if holder is not None:
                self.removed(holder, _key(target, holder))

    def removed(self, holder: Origins, key: Any) -> None:
        """Follow what removes a key, or an item: those behind it move up."""
        children = holder.children
        if children is None:
            return
        if key in children and not isinstance(key, int):
            del children[key]
        elif isinstance(key, int) and all(isinstance(known, int) for known in children):
            items = [children[known] for known in sorted(children)]
            if -len(items) <= key < len(items):
                del items[key]
            children.clear()
            children.update(enumerate(items))
        else:
            holder.children = None  # which one it was is not known

    # -------------------------------------------------------------------- expressions

    def origins(self, at: ast.AST, value: ast.expr) -> Origins:
        children = self.children(value)
        if isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
            found = self.resolve(value)
            if found is not None:
                children = found.children  # the same dictionary by another name
        deletes = isinstance(value, ast.Dict | ast.Call) and "_delete_" in (children or {})
        return Origins(self.origin(at), children, deletes)

    def children(self, node: ast.expr) -> dict[Any, Origins] | None:
        """Return the origins within a value, as far as its expression tells."""
        if isinstance(node, ast.Dict):
            return self.of_pairs(zip(node.keys, node.values, strict=True))
        if isinstance(node, ast.List | ast.Tuple):
            return self.of_items(node.elts)
        if isinstance(node, ast.Call):
            return self.of_call(node)
        if isinstance(node, ast.BinOp):
            left, right = self.children(node.left), self.children(node.right)
            if isinstance(node.op, ast.Add) and left is not None and right is not None:
                return dict(enumerate([*left.values(), *right.values()]))
            return {**(left or {}), **(right or {})} if isinstance(node.op, ast.BitOr) else None
        if isinstance(node, ast.IfExp):
            return self.children(node.body)
        found = self.resolve(node)
        if found is None or found.children is None:
            return None
        return dict(found.children)

    def of_pairs(self, pairs: Iterable[tuple[ast.expr | None, ast.expr]]) -> dict[Any, Origins]:
        children: dict[Any, Origins] = {}
        for key, value in pairs:
            if key is None:
                children.update(self.children(value) or {})
            else:
                children[_constant(key)] = self.origins(key, value)
        return children

    def of_items(self, items: list[ast.expr]) -> dict[Any, Origins] | None:
        found: list[Origins] = []
        for item in items:
            if isinstance(item, ast.Starred):
                inner = self.children(item.value)
                if inner is None:
                    break  # how many there are is not known
                found.extend(inner.values())
            else:
                found.append(self.origins(item, item))
        return dict(enumerate(found))

    def of_call(self, call: ast.Call) -> dict[Any, Origins] | None:
        name = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
        if name in _DICTIONARIES:
            children: dict[Any, Origins] = {}
            for argument in call.args:
                children.update(self.children(argument) or {})
            for keyword in call.keywords:
                if keyword.arg is None:
                    children.update(self.children(keyword.value) or {})
                else:
                    children[keyword.arg] = self.origins(keyword, keyword.value)
            return children
        if name == "copy" and isinstance(call.func, ast.Attribute) and not call.args:
            return self.children(call.func.value)
        if name not in _COPIES or not call.args:
            return None  # what it makes of its arguments is not known
        found = self.children(call.args[0])
        return Origins((), found).copy().children if name == "deepcopy" else found

    def resolve(self, node: ast.expr, make: bool = False) -> Origins | None:
        """Return the origins that a name, an attribute or an item stands for.

        One within what is computed is made, if asked for: something is to be set in it.
        """
        if isinstance(node, ast.Name):
            return self.base if node.id == "_base_" else self.names.get(node.id)
        if isinstance(node, ast.Attribute | ast.Subscript):
            holder = self.resolve(node.value, make)
            key = _key(node, holder)
            if holder is None or isinstance(key, slice):
                return None
            if not make:
                return holder.find([key])
            if holder.children is None:
                holder.children = {}
            return holder.children.setdefault(key, Origins(holder.chain))
        return None


_DICTIONARIES = ("dict", "ConfigDict", "OrderedDict")
_COPIES = ("copy", "deepcopy", "list", "tuple")


def _constant(node: ast.expr) -> Any:
    """Return a key that stands in the text, ``COMPUTED`` for one that does not."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        return -value if isinstance(value, int | float) else value
    return node.value if isinstance(node, ast.Constant) else COMPUTED


def _key(node: ast.Attribute | ast.Subscript, holder: Origins | None) -> Any:
    """Return what an attribute or an item is named, an index counted from the first item."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node.slice, ast.Slice):
        return slice(None)
    key = _constant(node.slice)
    items = holder.children if holder is not None else None
    if not items or not isinstance(key, int) or key >= 0:
        return key
    return key + len(items) if all(isinstance(known, int) for known in items) else key


def _as_dict(call: ast.Call) -> ast.expr:
    """Return the call that makes the dictionary which an update is given."""
    made = ast.Call(ast.Name("dict", ast.Load()), call.args, call.keywords)
    return ast.copy_location(made, call)
