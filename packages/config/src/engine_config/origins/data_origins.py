"""Where each value of a YAML or a TOML text stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

from engine_config.formats import toml_codec, yaml_codec
from engine_config.values.origins import Origin, Origins

Within = dict[Any, Origins]


def yaml_origins(text: str, file: str) -> Within:
    """Return the origins of a YAML text."""
    node = yaml_codec.compose(text)  # what holes stand for is YAML, they themselves may be none
    return (_of_node(node, file, 0) or {}) if node is not None else {}


def _of_node(node: Any, file: str, depth: int) -> Within | None:
    if depth > 100:
        return None
    children: Within = {}
    pairs: list[tuple[Any, Any, Any]] = []
    if node.id == "mapping":
        for key, value in node.value:
            if key.tag.endswith(":merge"):
                children.update(_of_merged(value, file, depth))
            else:
                pairs.append((_scalar(key), key, value))
    elif node.id == "sequence":
        pairs = [(i, value, value) for i, value in enumerate(node.value)]
    else:
        return None
    for key, at, value in pairs:
        start = at.start_mark
        inner = _of_node(value, file, depth + 1)
        deletes = inner is not None and "_delete_" in inner
        children[key] = Origins((Origin(file, start.line + 1, start.column + 1),), inner, deletes)
    return children


def _of_merged(node: Any, file: str, depth: int) -> Within:
    """Return the origins of what ``<<`` takes in: of one mapping, or of several, the first wins."""
    several = node.value if node.id == "sequence" else [node]
    merged: Within = {}
    for one in reversed(several):
        merged.update(_of_node(one, file, depth + 1) or {})
    return merged


def _scalar(node: Any) -> Any:
    if not isinstance(node.value, str):
        return None
    kind = _NUMBERS.get(node.tag.rpartition(":")[2])
    if kind is not None:
        try:
            return kind(node.value)
        except ValueError:
            return node.value
    return node.value


_NUMBERS: dict[str, type[float]] = {"int": int, "float": float}
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'(?s)"""(?:\\.|[^\\])*?"""+|\'\'\'.*?\'\'\'+|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
)
_BARE_KEY = re.compile(r"[\w-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")


def toml_origins(text: str, file: str) -> Within:
    """Return the origins of a TOML text that is known to parse."""
    return _Toml(text, file).run()


class _Toml:
    """Goes through a text once and notes where keys and items begin."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file
        self.position = 0
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.arrays: set[int] = set()  # the origins of arrays of tables, by identity

    def run(self) -> Within:
        root = Origins((), {})
        table = root
        while self.next():
            start = self.position
            if self.next() != "[":
                self.pair(table)
                continue
            several = self.text.startswith("[[", start)
            self.position += 1 + several
            *above, last = self.keys()
            table = self.enter(self.enter_all(root, above, start), last, start)
            if several:
                self.arrays.add(id(table))
                table.children = table.children or {}
                table = self.enter(table, len(table.children), start)
            self.position += 1 + several
        return root.children or {}

    def next(self) -> str:
        """Pass space and comments; return the character that follows."""
        self.skip(_SPACE)
        return self.text[self.position : self.position + 1]

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        self.position = match.end() if match else self.position + 1
        return match.group() if match else ""

    def origin(self, position: int) -> Origin:
        line = bisect_right(self.starts, position)
        return Origin(self.file, line, position - self.starts[line - 1] + 1)

    def enter(self, origins: Origins, key: Any, start: int) -> Origins:
        if id(origins) in self.arrays and not isinstance(key, int):  # its last table is meant
            origins = list((origins.children or {}).values())[-1]
        if origins.children is None:
            origins.children = {}
        return origins.children.setdefault(key, Origins((self.origin(start),)))

    def enter_all(self, origins: Origins, keys: list[str], start: int) -> Origins:
        for key in keys:
            origins = self.enter(origins, key, start)
        return origins

    def keys(self) -> list[str]:
        """Read a dotted key."""
        found: list[str] = []
        while True:
            if self.next() in ('"', "'"):
                found.append(toml_codec.load(f"k = {self.skip(_STRING)}")["k"])
            else:
                found.append(self.skip(_BARE_KEY))
            if self.next() != ".":
                return found
            self.position += 1

    def pair(self, table: Origins) -> None:
        start = self.position
        origins = self.enter_all(table, self.keys(), start)
        self.position += 1  # the equals sign
        children = self.value()
        if children is not None:
            origins.children = children

    def value(self) -> Within | None:
        opening = self.next()
        if opening in ('"', "'"):
            self.skip(_STRING)
        elif opening in ("[", "{"):
            return self.within("]" if opening == "[" else "}")
        else:
            self.skip(_SCALAR)
        return None

    def within(self, closing: str) -> Within:
        """Read the items of an array, or the pairs of an inline table."""
        self.position += 1
        origins = Origins((), {})
        items: Within = origins.children or {}
        origins.children = items
        while self.next() not in (closing, ""):
            start = self.position
            if closing == "]":
                items[len(items)] = Origins((self.origin(start),), self.value())
            else:
                self.pair(origins)
            if self.next() == "," or self.position == start:
                self.position += 1
        self.position += 1
        return items
