"""The own printer: stable, readable Python that reads back as the same config.

What a lazy-style config imports is printed as an import, so that it stays what it is.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from engine_config.errors import ConfigDumpError
from engine_config.overriding.merge import BASE_KEY, DELETE_KEY, DEPRECATION_KEY, dotted, nowhere
from engine_config.reading.outline import is_own_module
from engine_config.values.config_dict import raw_items
from engine_config.values.config_mapping import RESERVED_KEYS
from engine_config.values.lazy_objects import LazyAttr, LazyObject, module_of, stands_at
from engine_config.values.origins import Locate

_WIDTH = 99
_STEP = "    "
# A key that shadows one of these comes last, and is printed without them.
_RESERVED = (BASE_KEY, DELETE_KEY, DEPRECATION_KEY, *RESERVED_KEYS)
_USED_BUILTINS = frozenset({"dict", "float", "complex", "frozenset", "range", "set", "globals"})


def render(values: dict[Any, Any], locate: Locate = nowhere) -> str:
    """Return a config as Python source, its top-level keys in the order of the alphabet.

    Takes time in proportion to the size of the text; ``locate`` tells where a value was set.
    """
    printer = _Printer(values)
    try:
        lines = [
            printer.assignment(key, value) for key, value in sorted(raw_items(values), key=_order)
        ]
    except ConfigDumpError as error:
        error.origin = locate(tuple(printer.path))
        raise
    except RecursionError:
        raise ConfigDumpError("the config is nested too deep to be printed") from None
    head = "".join(f"{line}\n" for line in sorted(printer.imports))
    return f"{head}\n{''.join(lines)}" if head else "".join(lines)


def _order(item: tuple[Any, Any]) -> tuple[bool, str]:
    return item[0] in _USED_BUILTINS, str(item[0])


class _Printer:
    """Prints values; collects the imports that they need."""

    def __init__(self, values: dict[Any, Any]) -> None:
        self.imports: dict[str, str] = {}
        self.taken = {key for key in values if isinstance(key, str)} | _USED_BUILTINS
        self.names: dict[Any, bool] = {}
        self.plain = False
        self.path: list[Any] = []

    def assignment(self, key: Any, value: Any) -> str:
        if (isinstance(key, str) and key.startswith("__")) or key in _RESERVED:
            raise ConfigDumpError(f"a config file cannot set the top-level key {key!r}; rename it")
        self.path = [key]
        if _is_helper(key, value):  # of the text style; a lazy-style file keeps it as a value
            self.bound("from engine_config import read_base", "read_base", "")
        self.plain = key in _USED_BUILTINS
        start = f"{key} = " if self.is_name(key) else f"globals()[{self.flat(key, None)}] = "
        return f"{start}{self.full(value, '', len(start))}\n"

    def is_name(self, key: Any) -> bool:
        """Whether a key can stand before an equals sign."""
        known = self.names.get(key) if type(key) is str else False
        if known is None:
            known = key.isidentifier() and key.isascii() and not keyword.iskeyword(key)
            self.names[key] = known
        return known

    # ------------------------------------------------------------------------- layout

    def full(self, value: Any, indent: str, used: int) -> str:
        """Return a value's source, over several lines where one does not hold it."""
        line = self.flat(value, _WIDTH - used - 1)
        if line is not None:
            return line
        if not isinstance(value, dict | list | tuple) or not value:
            return self.flat(value, None) or ""
        inner = indent + _STEP
        if isinstance(value, dict):
            opening, closing, parts = self.dictionary(value)
        else:
            opening, closing = "[]" if isinstance(value, list) else "()"
            if not any(isinstance(item, dict | list | tuple) for item in value):
                return self.filled(value, indent, opening, closing)
            parts = [("", item, i) for i, item in enumerate(value)]
        lines = [opening]
        for start, item, key in parts:
            self.path.append(key)
            lines.append(f"{inner}{start}{self.full(item, inner, len(inner) + len(start))},")
            self.path.pop()
        lines.append(indent + closing)
        return "\n".join(lines)

    def filled(self, items: Iterable[Any], indent: str, opening: str, closing: str) -> str:
        """Return simple items, as many to a line as it holds."""
        lines, line = [opening], indent + _STEP
        for item in items:
            text = f"{self.flat(item, None)}, "
            if len(line) + len(text) - 1 > _WIDTH and line.strip():
                lines.append(line.rstrip())
                line = indent + _STEP
            line += text
        return "\n".join([*lines, line.rstrip(), indent + closing])

    def dictionary(self, value: dict[Any, Any]) -> tuple[str, str, list[tuple[str, Any, Any]]]:
        if DELETE_KEY in value:
            raise ConfigDumpError(
                f"{dotted(tuple(self.path))} has the key {DELETE_KEY}, which a config that is "
                f"read takes for a command; rename it"
            )
        if not self.plain and all(map(self.is_name, value)):
            return "dict(", ")", [(f"{key}=", item, key) for key, item in raw_items(value)]
        return "{", "}", [(f"{self.flat(k, None)}: ", item, k) for k, item in raw_items(value)]

    # ------------------------------------------------------------------- on one line

    def flat(self, value: Any, room: int | None) -> str | None:
        """Return a value's source on one line; ``None`` as soon as the room is used up."""
        write = _ATOMS.get(type(value))
        if write is not None:
            text = write(value)
        elif isinstance(value, dict):
            opening, closing, parts = self.dictionary(value)
            if room is not None and len(parts) * 3 > room:
                return None
            return self.joined(opening, parts, closing, room)
        elif type(value) is list or isinstance(value, tuple | list):
            if room is not None and len(value) * 3 - 2 > room:
                return None
            opening, closing = "[]" if isinstance(value, list) else "()"
            comma = ",)" if len(value) == 1 and closing == ")" else closing
            return self.joined(
                opening, (("", item, i) for i, item in enumerate(value)), comma, room
            )
        else:
            text = self.other(value)
        return text if room is None or len(text) <= room else None

    def joined(
        self, opening: str, parts: Iterable[tuple[str, Any, Any]], closing: str, room: int | None
    ) -> str | None:
        texts = []
        left = None if room is None else room - len(opening) - len(closing)
        for start, item, key in parts:
            if left is not None:
                left -= len(start)
            self.path.append(key)
            text = self.flat(item, left)
            self.path.pop()
            if text is None:
                return None
            if left is not None:
                left -= len(text) + 2
            texts.append(start + text)
        if left is not None and texts and left + 2 < 0:
            return None
        return f"{opening}{', '.join(texts)}{closing}"

    # ------------------------------------------------------------------- other values

    def other(self, value: Any) -> str:
        """Return the source of a value that is no plain atom or container."""
        if isinstance(value, LazyObject | LazyAttr):
            return self.lazy(value)
        if isinstance(value, set | frozenset):
            return self.set(value)
        if isinstance(value, slice | range):
            parts = (value.start, value.stop, value.step)
            return f"{type(value).__name__}({', '.join(self.flat(p, None) or '' for p in parts)})"
        if isinstance(value, type | FunctionType | BuiltinFunctionType):
            return self.named(value, module_of(value), value.__qualname__)
        if isinstance(value, ModuleType):
            return self.bound(f"import {value.__name__}", value.__name__, "")
        for base, write in _SUBCLASSES:
            if isinstance(value, base):
                return write(value)
        if hasattr(value, "dtype") and getattr(value, "shape", None) == ():
            return self.flat(value.item(), None) or ""  # a number of numpy
        return self.by_repr(value)

    def set(self, value: Any) -> str:
        items = sorted(self.flat(item, None) or "" for item in value)
        if isinstance(value, frozenset):
            return f"frozenset({{{', '.join(items)}}})" if items else "frozenset()"
        return f"{{{', '.join(items)}}}" if items else "set()"

    def lazy(self, value: LazyObject | LazyAttr) -> str:
        if isinstance(value, LazyAttr):
            return f"{self.lazy(value.source)}.{value.name}"
        if value.imported is None:
            module = value.dotpath
            return self.bound(f"import {module}", module, "")
        statement = f"from {value.module} import {value.imported}"
        hide = is_own_module(value.module) and not _is_dropped(value.imported, value.build())
        return self.bound(statement, value.imported, "", hide=hide)

    def named(self, value: Any, module: str | None, name: str) -> str:
        """Return the source of a class or a function that stands in a module."""
        if module is None or module == "__main__" or not stands_at(value, module, name):
            raise self.fault(value)
        if module == "builtins" and name not in self.taken:
            return name
        first, dot, rest = name.partition(".")
        hide = isinstance(value, BuiltinFunctionType)
        return self.bound(f"from {module} import {first}", first, dot + rest, hide=hide)

    def by_repr(self, value: Any) -> str:
        """Return a text such as ``datetime.date(2020, 1, 1)`` or ``torch.float32``."""
        text = repr(value)
        match = re.match(r"([A-Za-z_]\w*)(?:\.\w+)+$", text)
        if match and _resolved(text) is value:
            return self.bound(f"import {match[1]}", match[1], text[len(match[1]) :])
        module = module_of(type(value))
        if module in ("datetime", "decimal", "fractions") or module.startswith("pathlib"):
            if text.startswith("datetime."):
                return self.bound("import datetime", "datetime", text[len("datetime") :])
            name = type(value).__name__
            home = module.partition(".")[0]
            return self.bound(f"from {home} import {name}", name, text[len(name) :])
        raise self.fault(value)

    def bound(self, statement: str, name: str, rest: str, hide: bool = False) -> str:
        """Return the name that an import binds, which no key of the config has.

        One to ``hide`` would be taken for a key where a text-style file imports it.
        """
        for line, local in self.imports.items():
            if line == statement or line.startswith(f"{statement} as "):
                return local + rest
        local = name.partition(".")[0] if statement.startswith("import ") else name
        if hide or local in self.taken or "." in name:
            # What begins with two underscores is no key of the config that is read back.
            local = "__" + name.replace(".", "_")
            while local in self.taken:
                local += "_"
            statement = f"{statement} as {local}"
        self.taken.add(local)
        self.imports[statement] = local
        return local + rest

    def fault(self, value: Any) -> ConfigDumpError:
        where = dotted(tuple(self.path))
        return ConfigDumpError(
            f"{where} is a {type(value).__name__}, {value!r:.80}, which has no form in a config "
            f"file; use plain values, or what can be imported by name"
        )


def _is_helper(key: Any, value: Any) -> bool:
    """Whether a text-style file would leave out a top-level value."""
    while isinstance(value, LazyAttr):
        value = value.source
    if isinstance(value, LazyObject):
        return is_own_module(value.module)
    return _is_dropped(key, value)


def _is_dropped(key: Any, value: Any) -> bool:
    """Whether a text-style file takes what a name is bound to for an import or a helper."""
    named = isinstance(value, type) and value.__name__ == key
    return named or isinstance(value, FunctionType | ModuleType)


def _resolved(dotted: str) -> Any:
    first, *rest = dotted.split(".")
    found: Any = sys.modules.get(first)
    for part in rest:
        found = getattr(found, part, None)
    return found


def _string(value: str) -> str:
    text = repr(value)
    # What looks like a hole must not be filled when the text is read.
    return text.replace("{{", "{\\x7b") if "{{" in text else text


def _int(value: int) -> str:
    try:
        return int.__repr__(value)
    except ValueError:  # more digits than Python writes, or reads, at once
        return hex(value)


_NOT_FINITE = ("inf", "-inf", "nan")


def _float(value: float) -> str:
    text = float.__repr__(value)
    return f"float('{text}')" if text in _NOT_FINITE else text


def _complex(value: complex) -> str:
    text = complex.__repr__(value)
    # inf, nan, and a zero below zero, which a sum would lose
    return f"complex('{text.strip('()')}')" if "n" in text or "-0" in text else text


_ATOMS: dict[type, Callable[[Any], str]] = {
    str: _string,
    int: _int,
    float: _float,
    bool: repr,
    type(None): repr,
    bytes: lambda value: repr(value).replace("{{", "{\\x7b"),
    complex: _complex,
    type(...): lambda value: "...",
}
_SUBCLASSES: list[tuple[type, Callable[[Any], str]]] = [
    (str, lambda value: _string(str.__str__(value))),
    (int, _int),
    (float, _float),
    (bytes, lambda value: repr(bytes(value))),
]
