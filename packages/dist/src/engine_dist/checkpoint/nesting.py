"""Between a nested state and a flat one: where values belong, and building a tree of it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from engine_dist.checkpoint.errors import printable

__all__ = ["Misfit", "TreePath", "nested"]

#: texts are keys of a dict, numbers places in a list
TreePath: TypeAlias = tuple[str | int, ...]

_DEEPEST = 101  # of a state that is saved, and the one below
# of a list the places that nothing is said of; a dict without entries leaves one
_MOST_GAPS = 10_000


class Misfit(Exception):  # noqa: N818  # what the paths are
    """The paths make no tree."""


class _Node(dict[str | int, Any]):
    """A container in the making; no value is of this class."""


def nested(
    paths: Mapping[str, Any], values: Mapping[str, Any], empty: Iterable[Any] = ()
) -> dict[str, Any]:
    """Return the state that has each value at its path, and a dict at each of the paths ``empty``.

    Raises
    ------
    Misfit
        If what stands for a path is none, or they contradict one another.
    """
    root = _Node()
    for name, value in values.items():
        path = _checked(paths[name], name)
        node = _below(root, path[:-1], name)
        if path[-1] in node:
            raise Misfit(f"{printable(name[:200])} lies where something else does")
        node[path[-1]] = value
    for path in empty:
        _below(root, _checked(path, "an empty dict"), "an empty dict")
    made: dict[str, Any] = _closed(root, [_MOST_GAPS + len(values)])
    return made


def _below(node: _Node, path: TreePath, name: str) -> _Node:
    """Return the container at a path, made where it is not yet there."""
    for part in path:
        below = node.setdefault(part, _Node())
        if type(below) is not _Node:
            raise Misfit(f"{printable(name[:200])} lies below what is a value")
        node = below
    return node


def _checked(path: Any, name: str) -> TreePath:
    if (
        type(path) is not tuple
        or not 0 < len(path) <= _DEEPEST
        or type(path[0]) is not str
        or not all(type(p) is str or (type(p) is int and 0 <= p < 2**31) for p in path)
    ):
        raise Misfit(f"the path of {printable(name[:200])} is none of names and places in lists")
    return path


def _closed(node: _Node, gaps: list[int]) -> Any:
    """Return the container that a node stands for; ``gaps`` is how many places may stay empty."""
    values = {
        key: _closed(value, gaps) if type(value) is _Node else value for key, value in node.items()
    }
    places = [key for key in values if type(key) is int]
    if not places:
        return values
    if len(places) < len(values):
        raise Misfit("a container is a list by one path and a dict by another")
    length = max(places) + 1
    gaps[0] -= length - len(places)
    if gaps[0] < 0:
        raise Misfit(f"a list of {length} items, of which {len(places)} are there")
    return [values.get(place) for place in range(length)]
