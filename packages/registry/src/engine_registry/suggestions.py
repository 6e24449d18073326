"""Errors that end the search for a name: where it was looked for, and where it is."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator, Sequence

from .context import allowed
from .errors import UnknownNameError
from .imports import ENTRY_POINT_GROUP, entry_points
from .scope import current_scope
from .search import chain, in_scope
from .sources import Definition, find_definitions
from .tree import Node, roots


def unknown(
    registry: Node, key: str, origin: str = "", also: Sequence[Node] = ()
) -> UnknownNameError:
    """Return the error for a name that nothing has.

    Parameters
    ----------
    registry : Registry
        Where it was looked for.
    key : str
        The name.
    origin : str
        Config path, file and line of the name, empty if unknown.
    also : sequence of Registry
        Other registries that it was looked for in.
    """
    scope, name = registry.split_scope_key(key)
    searched = searched_registries(registry, key)
    lines = [f"{key!r} is not in registry {registry.name!r}{f' ({origin})' if origin else ''}"]
    lines += [_searched(member) for member in searched]
    if scope is not None and not searched:
        lines.append(f"no registry of scope {scope!r} was found, nor a module or class {key!r}")
        lines += _plug_in(scope)
    near = nearest(name, (known for member in (*searched, *also) for known in member.module_dict))
    if near:
        lines.append(f"nearest names: {', '.join(map(repr, near))}")
    lines += _elsewhere(registry, name, searched) or [
        f"register it with @register_module() and {_way('its.module', 'its module before this')}"
    ]
    return UnknownNameError("\n  ".join(lines))


def searched_registries(registry: Node, key: str) -> list[Node]:
    """Return the registries that a config's ``type`` is looked for in, in order."""
    found = [*chain(in_scope(registry, None), key), *chain(registry, key)]
    return list(dict.fromkeys(found))


def nearest(name: str, known: Iterable[str], number: int = 3) -> list[str]:
    """Return the known names that are most like a name, the best first.

    >>> nearest("CheckpointHok", ["CheckpointHook", "EMAHook"])
    ['CheckpointHook']
    """
    by_lower = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=number, cutoff=0.6)
    return [by_lower[other] for other in close]


def _searched(registry: Node) -> str:
    number = len(registry.module_dict)
    line = f"searched: registry {registry.name!r} of scope {registry.scope!r} ({number} names)"
    there = [module for module in registry.locations if module in sys.modules]
    absent = [module for module in registry.locations if module not in sys.modules]
    if there:
        line += f", modules {', '.join(there)}"
    if absent:
        line += f"; not installed: {', '.join(absent)}"
    return line


def _plug_in(scope: str) -> Iterator[str]:
    """Say which modules were to make a scope's registry, and did not."""
    for module in entry_points().get(scope, ()):
        what = "makes none" if module in sys.modules else "is not installed"
        yield f"its entry point of group {ENTRY_POINT_GROUP!r} names {module}, which {what}"


def _elsewhere(registry: Node, name: str, searched: list[Node]) -> list[str]:
    """Say which other registry has the name, or which module would register it."""
    name = name.rpartition(".")[2]
    lines = [
        f"registry {other.name!r} of scope {other.scope!r} has {name!r}"
        + (f": write '{other.scope}.{name}'" if other.root is registry.root else "")
        for root in list(roots)
        for other in root.tree()
        if other not in searched and name in other.module_dict
    ]
    return lines + [_remedy(name, found) for found in find_definitions(name, _candidates())]


def _remedy(name: str, found: Definition) -> str:
    where = f"{found.file}:{found.line}"
    if found.module in sys.modules:
        return f"{where} defines {name!r} but does not register it here"
    what = "registers" if found.registers else "defines"
    return f"{where} {what} {name!r} and is not imported: {_way(found.module, found.module)}"


def _way(module: str, what: str) -> str:
    """Say how a module comes to be imported; a config that is not trusted imports none."""
    if allowed.get() is not None:
        return f"import {what}, in the program: the config is not trusted and imports nothing"
    return f"import {what}, or set custom_imports=dict(imports=['{module}']) in the config"


def _candidates() -> Iterator[str]:
    """Yield modules and packages that may define a component, imported or not."""
    for root in list(roots):
        for registry in root.tree():
            yield from registry.pending
            yield registry.scope
    for modules in entry_points().values():
        for module in modules:
            yield module.partition(".")[0]
    current = current_scope.get()
    if current is not None:
        yield current.scope_name
