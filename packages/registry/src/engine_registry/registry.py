"""The registry: name → class or function."""

from __future__ import annotations

import sys
from types import MappingProxyType
from weakref import WeakSet

from engine_config.late import Generic, Late

from .build import build_from_cfg, is_class_or_function, make
from .context import OWN_PACKAGES, ROOT_SCOPE, allowed, canonical, current_scope
from .search import in_scope, require_allowed, search, search_default

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import FrameType
    from typing import Any, TypeVar, overload

    from . import imports, instances, places, registration, suggestions, table
    from . import scope as scopes
    from .override import Override

    T = TypeVar("T")
    C = TypeVar("C", bound=Callable[..., Any])
else:
    logging = Late("logging")
    imports = Late("engine_registry.imports")
    instances = Late("engine_registry.instances")
    places = Late("engine_registry.places")
    registration = Late("engine_registry.registration")
    scopes = Late("engine_registry.scope")
    suggestions = Late("engine_registry.suggestions")
    table = Late("engine_registry.table")
    T = "T"  # what a class is subscripted with does nothing at run time

# All registry trees of the process, so that an error can tell which of them holds a name.
trees: WeakSet[Registry[Any]] = WeakSet()


class Registry(Generic[T]):
    """A table of classes and functions that are known by name and make a ``T``.

    Parameters
    ----------
    name : str
        What the registry holds, such as ``model``.
    build_func : callable, optional
        Called as ``build_func(cfg, *args, registry=self, **kwargs)`` by :meth:`build`;
        the parent's, or :func:`build_from_cfg`, if not given.
    parent : Registry, optional
        The registry whose names are found here too, unless this one has them.
    scope : str, optional
        The package that the names belong to; the caller's top package if not given.
    locations : sequence of str
        Modules that register components when they are imported: done at the first look-up
        that misses.  One that is not installed is passed over.

    Examples
    --------
    >>> MODELS = Registry[object]("model", scope="example")
    >>> @MODELS.register_module()
    ... class Net:
    ...     def __init__(self, depth: int = 18) -> None:
    ...         self.depth = depth
    >>> MODELS.build(dict(type="Net", depth=50)).depth
    50
    >>> MODELS.get("Net") is MODELS.get("example.Net") is Net
    True
    """

    def __init__(
        self,
        name: str,
        build_func: Callable[..., Any] | None = None,
        parent: Registry[Any] | None = None,
        scope: str | None = None,
        locations: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._scope = canonical(self.infer_scope() if scope is None else scope)
        self._module_dict: dict[str, Callable[..., T]] = {}
        self._places: dict[str, str] = {}
        self._children: dict[str, Registry[Any]] = {}
        self._locations = tuple(locations)
        self._pending = self._locations
        self.parent = parent
        self.by_scope: dict[str, Registry[Any]] = {self._scope: self}
        inherited = build_from_cfg if parent is None else _registry(parent).build_func
        self.build_func: Callable[..., Any] = inherited if build_func is None else build_func
        if parent is None:
            trees.add(self)
        else:
            parent._add_child(self)

    def __len__(self) -> int:
        return len(self._module_dict)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __repr__(self) -> str:
        return table.render(f"Registry of {self._name}", self._module_dict)

    # -------------------------------------------------------------- properties

    @property
    def name(self) -> str:
        """What the registry holds."""
        return self._name

    @property
    def scope(self) -> str:
        """The package that the names belong to."""
        return self._scope

    @property
    def module_dict(self) -> dict[str, Callable[..., T]]:
        """What is registered so far, by name."""
        return self._module_dict

    @property
    def places(self) -> Mapping[str, str]:
        """File and line of each name's registration."""
        return MappingProxyType(self._places)

    @property
    def children(self) -> Mapping[str, Registry[Any]]:
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
    def root(self) -> Registry[Any]:
        """The registry at the top of the tree."""
        registry: Registry[Any] = self
        while registry.parent is not None:
            registry = registry.parent
        return registry

    def tree(self) -> Iterator[Registry[Any]]:
        """Yield this registry and all below it."""
        yield self
        for child in list(self._children.values()):
            yield from child.tree()

    @staticmethod
    def infer_scope() -> str:
        """Return the top package of the code that called this function's caller."""
        frame: FrameType | None = sys._getframe(2)
        # R[T](...) has a frame of typing in between where R is a typing.Generic itself.
        while frame is not None and frame.f_globals.get("__name__") == "typing":
            frame = frame.f_back
        module = frame.f_globals.get("__name__") if frame is not None else None
        package = str(module or ROOT_SCOPE).partition(".")[0]
        return ROOT_SCOPE if package in OWN_PACKAGES else package

    @staticmethod
    def split_scope_key(key: str) -> tuple[str | None, str]:
        """Split ``scope.name`` at its first dot; the scope is None where there is no dot."""
        scope, dot, name = key.partition(".")
        return (scope, name) if dot else (None, key)

    def _add_child(self, child: Registry[Any]) -> None:
        with registration.lock:
            if child.scope in self._children:
                raise ValueError(
                    f"registry {self._name!r} has a child of scope {child.scope!r} already; "
                    "use that one, or give another scope"
                )
            self._children[child.scope] = child
        ancestor: Registry[Any] | None = self
        while ancestor is not None:
            ancestor.by_scope.setdefault(child.scope, child)
            ancestor = ancestor.parent

    # ---------------------------------------------------------------- register

    if TYPE_CHECKING:

        @overload
        def register_module(
            self, name: str | Sequence[str] | None = None, force: bool = False, module: None = None
        ) -> Callable[[C], C]: ...
        @overload
        def register_module(
            self, name: str | Sequence[str] | None = None, force: bool = False, *, module: C
        ) -> C: ...
        @overload
        def register_module(
            self, name: str | Sequence[str] | None, force: bool, module: C
        ) -> C: ...

    def register_module(
        self,
        name: str | Sequence[str] | None = None,
        force: bool = False,
        module: C | None = None,
    ) -> C | Callable[[C], C]:
        """Make a class or function known, as a decorator or by ``module``.

        Parameters
        ----------
        name : str or sequence of str, optional
            By which it is known; its own name if not given.
        force : bool
            Replace what the name stood for.
        module : callable, optional
            What to register; a decorator is returned if not given.

        Raises
        ------
        DuplicateNameError
            If the name stands for another object and ``force`` is not set.
        """
        registration.require_bool(force)
        names = registration.names_of(name)
        frame = sys._getframe(1)
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"

        def register(module: C) -> C:
            self._register(module, names, force, place)
            return module

        return register if module is None else register(module)

    def _register(self, module: Any, names: Iterable[str] | None, force: bool, place: str) -> None:
        if not callable(module):
            raise TypeError(f"only classes and functions are registered, got {module!r}")
        with registration.lock:
            for name in (module.__name__,) if names is None else names:
                known = self._module_dict.get(name)
                if known is not module and (
                    force or registration.gives_way(self, name, module, place)
                ):
                    self._module_dict[name] = module
                    self._places[name] = place

    # ----------------------------------------------------------------- look up

    def own(self, name: str) -> Callable[..., T] | None:
        """Return what a name stands for in this registry itself; imports locations on a miss."""
        found = self._module_dict.get(name)
        if found is None and self._pending:
            self.import_from_location()
            found = self._module_dict.get(name)
        return found

    def import_from_location(self) -> None:
        """Import the modules that register this registry's components, once."""
        for location in self._pending:
            if not imports.import_if_there(location):
                logging.getLogger("engine.registry").debug(
                    "registry %s: %s is not installed", self._name, location
                )
        self._pending = ()

    def get(self, key: str | Callable[..., T]) -> Callable[..., T] | None:
        """Return what a key stands for, None if nothing does.

        The key is a name of this registry or its parents, ``scope.name``, a full import
        path, or the class or function itself.  The default scope has no say here.

        Raises
        ------
        RefusedNameError
            If names are restricted, and this one is neither registered nor allowed.
        """
        if isinstance(key, str):
            return search(self, key)
        if not is_class_or_function(key):
            raise TypeError(f"a key is a str, a class or a function, got {type(key).__name__}")
        return key

    def switch_scope_and_registry(self, scope: str | None) -> Override[Registry[Any]]:
        """Make ``scope`` the default scope inside the block, which gets that scope's registry.

        With None the default scope stays as it is.  Where the tree knows no such scope, the
        block gets this registry, and a warning is logged.
        """

        def switched() -> Registry[Any]:
            found = in_scope(self, scope)
            if scope is not None and found.scope != canonical(scope):
                logging.getLogger("engine.registry").warning(
                    "no package registers components of scope %r in registry %r: names are "
                    "looked for in scope %r",
                    scope,
                    self._name,
                    self._scope,
                )
            return found

        return scopes.DefaultScope.overwrite_default_scope(scope).giving(switched)

    # ------------------------------------------------------------------- build

    def build(self, cfg: Any, *args: Any, **kwargs: Any) -> T:
        """Build what a config names: ``dict(type=name, **arguments)``.

        Takes what the registry's ``build_func`` takes, see :func:`build_from_cfg`.
        """
        if not (args or kwargs):
            # Straight on in the common case, which counts where thousands of objects are built.
            if type(cfg) is dict and self.build_func is build_from_cfg:
                built: T = make(cfg.copy(), self, cfg)
            else:
                built = self.build_func(cfg, registry=self)
        else:
            kwargs["registry"] = self
            built = self.build_func(cfg, *args, **kwargs)
        return built

    def resolve(self, kind: Any, node: object = None) -> Callable[..., T]:
        """Return the class or function that a config's ``type`` stands for.

        It is looked for in the default scope's registry, then in this one.  ``node`` is the
        config, for messages.

        Raises
        ------
        UnknownNameError
            If nothing has that name.
        RefusedNameError
            If names are restricted, and this one is neither registered nor allowed.
        TypeError
            If ``kind`` is neither a name nor a class or function.
        """
        if isinstance(kind, str):
            found = search_default(self, kind)
            if found is None:
                raise suggestions.unknown(self, kind, places.config_place(node, "type"))
            return found
        if not is_class_or_function(kind):
            place = places.config_place(node, "type")
            raise TypeError(
                f"type must be a name, a class or a function, got {type(kind).__name__}"
                f"{f' at {place}' if place else ''}"
            )
        require_allowed(self, kind, getattr(kind, "__qualname__", repr(kind)))
        component: Callable[..., T] = kind
        return component

    def factory(self, kind: Any, node: object = None) -> Callable[..., T]:
        """Return what makes the object that a config's ``type`` stands for."""
        found = None
        # The common case by one look-up: names are free and the default scope is this one's.
        if type(kind) is str and allowed.get() is None:
            scope = current_scope.get()
            if scope is None or scope.key == self._scope:
                found = self._module_dict.get(kind)
        if found is None:
            found = self.resolve(kind, node)
        if type(found) is not type and isinstance(found, instances.ManagerMeta):
            manager: Any = found
            return manager.get_instance  # type: ignore[no-any-return]  # of a T: it is registered
        return found


def _registry(value: object) -> Registry[Any]:
    if not isinstance(value, Registry):
        raise TypeError(f"parent must be a Registry or None, got {type(value).__name__}")
    return value
