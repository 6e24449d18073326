"""What a part of a dotted key means in a nested value."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_index(part: str) -> bool:
    """Whether a part of a dotted key may mean an item of a list."""
    digits = part.removeprefix("-")
    return digits.isdecimal() and digits.isascii() and len(digits) <= 18


def item_of(node: Any, part: str) -> tuple[Any, Any]:
    """Return the key or the index that a part of a dotted key means, and the value there.

    Raises
    ------
    KeyError, IndexError, TypeError
        There is none.
    """
    if isinstance(node, list | tuple):
        if not is_index(part):
            raise KeyError(part)
        return int(part), node[int(part)]
    if part not in node and is_index(part) and int(part) in node:
        return int(part), node[int(part)]
    return part, dict.__getitem__(node, part)


def known_keys(node: Any) -> str:
    """Say what there is, for a message."""
    if isinstance(node, dict):
        return str(sorted(map(str, node)))
    return f"{len(node)} items" if isinstance(node, list | tuple) else f"a {type(node).__name__}"
