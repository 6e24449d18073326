"""The registry: name → class or function."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from engine_config import ConfigDict, is_trusted

from . import places, registration, suggestions
from .build import build_from_cfg, is_class_or_function, make, plain
from .context import OWN_PACKAGES, ROOT_SCOPE, allowed, canonical
from .instances import ManagerMeta
from .scope import DefaultScope, current_scope
from .search import in_scope, require_allowed, search, search_default
from .tree import Node, lock

if TYPE_CHECKING:
    from types import FrameType

    from .override import Override

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])


class Registry(Node, Generic[T]):
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
        inherited = build_from_cfg if parent is None else _registry(parent).build_func
        self.build_func: Callable[..., Any] = inherited if build_func is None else build_func
        super().__init__(name, parent, self.infer_scope() if scope is None else scope, locations)

    def __len__(self) -> int:
        return len(self._module_dict)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __repr__(self) -> str:
        # Imported here: rich costs more than this whole package, and is used to print only.
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table("Names", "Objects", title=f"Registry of {self._name}")
        for name, value in sorted(self._module_dict.items()):
            table.add_row(Text(name), Text(repr(value)))
        console = Console(width=120)
        with console.capture() as capture:
            console.print(table, end="")
        return capture.get()

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

    # ---------------------------------------------------------------- register

    @overload
    def register_module(
        self, name: str | Sequence[str] | None = None, force: bool = False, module: None = None
    ) -> Callable[[C], C]: ...
    @overload
    def register_module(
        self, name: str | Sequence[str] | None = None, force: bool = False, *, module: C
    ) -> C: ...
    @overload
    def register_module(self, name: str | Sequence[str] | None, force: bool, module: C) -> C: ...

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
        with lock:
            for name in (module.__name__,) if names is None else names:
                known = self._module_dict.get(name)
                if known is not module and (
                    force or registration.gives_way(self, name, module, place)
                ):
                    self._module_dict[name] = module
                    self._places[name] = place

    # ----------------------------------------------------------------- look up

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

        return DefaultScope.overwrite_default_scope(scope).giving(switched)

    # ------------------------------------------------------------------- build

    def build(self, cfg: Any, *args: Any, **kwargs: Any) -> T:
        """Build what a config names: ``dict(type=name, **arguments)``.

        Takes what the registry's ``build_func`` takes, see :func:`build_from_cfg`.
        """
        if args or kwargs or self.build_func is not build_from_cfg:
            kwargs["registry"] = self
            built: T = self.build_func(cfg, *args, **kwargs)
        # Straight on in the common case, which counts where thousands of objects are built.
        elif type(cfg) is dict:
            built = make(cfg.copy(), self, cfg)
        elif type(cfg) is ConfigDict and is_trusted(cfg):
            built = make(plain(cfg, self), self, cfg)
        else:
            built = build_from_cfg(cfg, self)
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
                raise suggestions.unknown(self, kind, places.config_origin(node, "type"))
            return found
        if not is_class_or_function(kind):
            origin = places.config_origin(node, "type")
            raise TypeError(
                f"type must be a name, a class or a function, got {type(kind).__name__}"
                f"{f' at {origin}' if origin else ''}"
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
                found = self._at_hand(kind, scope)
        if found is None:
            found = self.resolve(kind, node)
        if type(found) is not type and isinstance(found, ManagerMeta):
            manager: Any = found
            return manager.get_instance  # type: ignore[no-any-return]  # of a T: it is registered
        return found

    def _at_hand(self, name: str, scope: DefaultScope | None) -> Callable[..., T] | None:
        """Return what a name stands for here or above, None where it has to be searched for."""
        at: Registry[Any] | None = self
        if scope is not None and scope.key != self._scope:
            at = self.root.by_scope.get(scope.key)
        while at is not None:
            found = at._module_dict.get(name)
            if found is not None or at._pending:
                return found
            at = at.parent
        return None


def _registry(value: object) -> Registry[Any]:
    if not isinstance(value, Registry):
        raise TypeError(f"parent must be a Registry or None, got {type(value).__name__}")
    return value
