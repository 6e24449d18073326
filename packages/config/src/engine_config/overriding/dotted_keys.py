"""What a part of a dotted key means in a nested value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine_config.near_names import hint


def is_index(part: str) -> bool:
    """Whether a part of a dotted key may mean an item of a list."""
    digits = part.removeprefix("-")
    return digits.isdecimal() and digits.isascii() and len(digits) <= 18


def item_of(node: Any, key: str) -> tuple[tuple[Any, ...], Any]:
    """Return the keys and indices that a dotted key means, and the value there.

    >>> item_of({"a": {"b.c": [1, 2], None: 3}}, "a.b.c.-1")
    (('a', 'b.c', 1), 2)

    Raises
    ------
    KeyError
        There is none: of the part that is missing, and of what has no such part.
    """
    found = _find(node, key)
    if found is not None:
        return found
    for part in key.split("."):
        inner = _find(node, part)
        if inner is None:
            raise KeyError(part, node)
        node = inner[1]
    raise KeyError(key, node)


def _find(node: Any, key: str) -> tuple[tuple[Any, ...], Any] | None:
    for name, value, rest in _beginnings(node, key):
        if rest is None:
            return (name,), value
        below = _find(value, rest)
        if below is not None:
            return (name, *below[0]), below[1]
    return None


def _beginnings(node: Any, key: str) -> Iterator[tuple[Any, Any, str | None]]:
    """Yield each item whose name a dotted key begins with, and the rest of the dotted key.

    A name may itself have dots; shorter names come first.
    """
    if isinstance(node, list | tuple):
        part, dot, rest = key.partition(".")
        index = int(part) if is_index(part) else len(node)
        if -len(node) <= index < len(node):
            yield index % len(node), node[index], rest if dot else None
    if not isinstance(node, dict):
        return
    others = {str(name): name for name in node if not isinstance(name, str)}
    dots = [at for at, letter in enumerate(key) if letter == "."]
    for end in (*dots, len(key)):
        name: Any = key[:end] if key[:end] in node else others.get(key[:end], _NONE)
        if name is not _NONE:
            value = dict.__getitem__(node, name)
            yield name, value, key[end + 1 :] if end < len(key) else None


_NONE: Any = object()


def missing_part(part: str, node: Any) -> str:
    """Say of the part of a dotted key that is not there what there is instead."""
    if isinstance(node, dict):
        return f"no {part!r}{hint(part, node)}"
    if isinstance(node, list | tuple):
        return f"no {part!r} among {len(node)} items"
    return f"no {part!r} among the keys of {type(node).__name__}, which has none"
