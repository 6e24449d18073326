"""A registry's place in its tree: its names, its parent, its children."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from .context import canonical
from .imports import import_if_there

if TYPE_CHECKING:
    from typing_extensions import Self

# One for all registries: it is held only while names are entered.  It may be taken again by the
# thread that holds it, as the handler of a warning may register something.
lock = threading.RLock()
# The roots of all trees of the process, so that an error can tell which of them holds a name.
roots: WeakSet[Node] = WeakSet()


class Node:
    """What a registry holds, and which ones stand above and below it.

    Parameters
    ----------
    name : str
        What the registry holds, such as ``model``.
    parent : Node, optional
        The registry above.
    scope : str
        The package that the names belong to.
    locations : sequence of str
        Modules that register components when they are imported.

    Raises
    ------
    ValueError
        The parent has a child of that scope already.
    """

    def __init__(
        self, name: str, parent: Self | None, scope: str, locations: Sequence[str]
    ) -> None:
        self._name = name
        self._scope = canonical(scope)
        self._module_dict: dict[str, Callable[..., Any]] = {}
        self._places: dict[str, str] = {}
        self._children: dict[str, Self] = {}
        self._locations = tuple(locations)
        self._pending = self._locations
        self.parent = parent
        self.by_scope: dict[str, Self] = {self._scope: self}
        if parent is None:
            roots.add(self)
        else:
            parent._add_child(self)

    @property
    def name(self) -> str:
        """What the registry holds."""
        return self._name

    @property
    def scope(self) -> str:
        """The package that the names belong to."""
        return self._scope

    @property
    def module_dict(self) -> dict[str, Callable[..., Any]]:
        """What is registered so far, by name."""
        return self._module_dict

    @property
    def places(self) -> Mapping[str, str]:
        """File and line of each name's registration."""
        return MappingProxyType(self._places)

    @property
    def children(self) -> Mapping[str, Self]:
        """The registries of downstream packages, by scope."""
        return MappingProxyType(self._children)

    @property
    def locations(self) -> tuple[str, ...]:
        """The modules that register this registry's components."""
        return self._locations

    @property
    def pending(self) -> tuple[str, ...]:
        """The locations that are not imported yet."""
        return self._pending

    @property
    def root(self) -> Self:
        """The registry at the top of the tree."""
        node = self
        while node.parent is not None:
            node = node.parent
        return node

    def tree(self) -> Iterator[Self]:
        """Yield this registry and all below it."""
        yield self
        for child in list(self._children.values()):
            yield from child.tree()

    def ancestors(self) -> Iterator[Self]:
        """Yield the parent, its parent, and so on."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    @staticmethod
    def split_scope_key(key: str) -> tuple[str | None, str]:
        """Split ``scope.name`` at its first dot; the scope is None where there is no dot."""
        scope, dot, name = key.partition(".")
        return (scope, name) if dot else (None, key)

    def own(self, name: str) -> Callable[..., Any] | None:
        """Return what a name stands for in this registry itself; imports locations on a miss."""
        found = self._module_dict.get(name)
        if found is None and self._pending:
            self.import_from_location()
            found = self._module_dict.get(name)
        return found

    def import_from_location(self) -> None:
        """Import the modules that register this registry's components, once."""
        for location in self._pending:
            if not import_if_there(location):
                logging.getLogger("engine.registry").debug(
                    "registry %s: %s is not installed", self._name, location
                )
        self._pending = ()

    def _add_child(self, child: Self) -> None:
        with lock:
            if child.scope in self._children:
                raise ValueError(
                    f"registry {self._name!r} has a child of scope {child.scope!r} already; "
                    "use that one, or give another scope"
                )
            self._children[child.scope] = child
        for above in (self, *self.ancestors()):
            above.by_scope.setdefault(child.scope, child)
