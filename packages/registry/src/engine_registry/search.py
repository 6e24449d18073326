"""Looking up what a name stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from . import errors, imports, trust
from .context import allowed, canonical
from .scope import current_scope
from .tree import Node

N = TypeVar("N", bound=Node)


def search(registry: Node, key: str) -> Callable[..., Any] | None:
    """Return what a key stands for in a registry, None if nothing does.

    Raises
    ------
    RefusedNameError
        If names are restricted and the key is a path to what is neither registered nor allowed.
    """
    dotted = "." in key
    if dotted:
        # A name may have dots itself, and then means what it was registered as.
        for searched in (registry, *registry.ancestors()):
            if key in searched.module_dict:
                return searched.module_dict[key]
    name = registry.split_scope_key(key)[1]
    for searched in chain(registry, key):
        found = searched.own(name)
        if found is not None:
            return found
    if "." in name:
        # a scope within a scope, where there is one of that name
        inner = name.partition(".")[0]
        if canonical(inner) in registry.root.by_scope and inner != name:
            return search(registry, name)
    return search_path(registry, key) if dotted else None


def search_default(registry: Node, key: str) -> Callable[..., Any] | None:
    """Look a key up in the default scope's registry, then in this one."""
    first = in_scope(registry, None)
    found = search(first, key)
    return search(registry, key) if found is None and first is not registry else found


def chain(registry: N, key: str) -> list[N]:
    """Return the registries that a key's name is looked for in, in order."""
    scope = registry.split_scope_key(key)[0]
    if scope is None:
        return [registry, *registry.ancestors()]
    if canonical(scope) == registry.scope:
        return [registry]
    found = find_scope(registry, scope)
    return [] if found is None else [found, *found.ancestors()]


def find_scope(registry: N, scope: str) -> N | None:
    """Return the registry of a scope in the tree; the scope's package is imported if need be."""
    scope = canonical(scope)
    root = registry.root
    found = root.by_scope.get(scope)
    if found is None and imports.import_scope(scope, trusted=allowed.get() is None):
        found = root.by_scope.get(scope)
    return found


def in_scope(registry: N, scope: str | None) -> N:
    """Return the registry of a scope, or of the default scope; this one if there is none."""
    if scope is None:
        current = current_scope.get()
        if current is None:
            return registry
        scope = current.scope_name
    found = registry if canonical(scope) == registry.scope else find_scope(registry, scope)
    return registry if found is None else found


def search_path(registry: Node, path: str) -> Callable[..., Any] | None:
    """Return the class or function at a full import path, None if there is nothing."""
    prefixes = allowed.get()
    if prefixes is None or trust.is_under(path, prefixes):
        found = imports.import_path(path)
        if prefixes is not None and found is not None:
            require_allowed(registry, found, path)
        return found if callable(found) else None
    # Its own components may be named by their path too: no import is needed to find those.
    for searched in (registry, *registry.ancestors()):
        searched.import_from_location()
    known = trust.peek(path)
    if callable(known) and holds(registry, known):
        return known
    raise refused(registry, path, path)


def holds(registry: Node, found: object) -> bool:
    """Tell whether an object is registered anywhere in a registry's tree."""
    return any(
        known is found
        for member in registry.root.tree()
        for known in list(member.module_dict.values())
    )


def require_allowed(registry: Node, found: object, path: str) -> None:
    """Raise unless names are free, or an object is registered or allowed by its own path."""
    prefixes = allowed.get()
    if prefixes is None:
        return
    own = trust.own_path(found)
    if not (own and trust.is_under(own, prefixes)) and not holds(registry, found):
        raise refused(registry, path, own or repr(found))


def refused(registry: Node, path: str, own: str) -> errors.RefusedNameError:
    """Return the error for what data may not name."""
    also = f", which is {own}," if own != path else ""
    return errors.RefusedNameError(
        f"{path!r}{also} is refused: the config is not trusted, so that only what is registered "
        f"in {registry.name!r} or lies under {list(allowed.get() or ())} may be named; register "
        "it, or allow its own path with engine_registry.restrict(...)"
    )
