"""Stand-ins for what a lazy-style config imports; the import happens when they are built."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from engine_config.errors import ConfigImportError, ConfigTypeError
from engine_config.values.origins import Origin

L = TypeVar("L", bound="_Lazy")


class _Lazy:
    """What both stand-ins do: give attributes, and refuse what only the thing itself could do."""

    __slots__ = ()

    if TYPE_CHECKING:
        location: Origin | str | None

        @property
        def dotpath(self) -> str: ...

        def build(self) -> Any: ...

    def __getattr__(self: Any, name: str) -> LazyAttr:
        if name.startswith("_") and name.endswith("_"):  # asked for by pickle, IPython, …
            raise AttributeError(name)
        return LazyAttr(name, self)

    def __call__(self, *args: object, **kwargs: object) -> None:
        """Refuse: what is imported lazily is not there yet."""
        raise ConfigImportError(  # whoever runs the config knows the line of the call
            f"{self.dotpath} is called while the config is read, but {_lazily(self.location)}; "
            f"write dict(type=…, …) instead"
        )

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        """Refuse: no class can be derived from what is not there yet."""
        raise ConfigImportError(
            f"a class is derived from {self.dotpath}, but {_lazily(self.location)}; define the "
            f"class in a module, and import it from there"
        )

    def __bool__(self) -> bool:
        return True  # as a module and a class are; asked for its length, it would be refused

    def __eq__(self, other: object) -> bool:
        return _same(self, other)

    def __hash__(self) -> int:
        return hash(self.dotpath)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.dotpath}>"

    def __deepcopy__(self: L, memo: dict[int, object]) -> L:
        return self

    def __copy__(self: L) -> L:
        return self


def _refusal(does: str) -> Callable[..., None]:
    """Return a method that refuses what only the thing itself could do."""

    def refuse(self: _Lazy, *_: object) -> None:
        raise ConfigTypeError(  # whoever runs the config knows the line
            f"{self.dotpath} {does} while the config is read, but {_lazily(self.location)}; write "
            f"the value into the config, or let the code that is built do it"
        )

    return refuse


for _does, _names in (
    ("is indexed", ("getitem", "setitem", "delitem")),
    ("is gone through", ("iter", "reversed", "contains", "len")),
    ("is counted with", ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")),
    ("is counted with", ("radd", "rsub", "rmul", "rtruediv", "rfloordiv", "rmod", "rpow")),
    (
        "is counted with",
        ("neg", "pos", "abs", "int", "float", "round", "and", "or", "rand", "ror"),
    ),
    ("is compared", ("lt", "le", "gt", "ge")),
):
    for _name in _names:
        setattr(_Lazy, f"__{_name}__", _refusal(_does))


class LazyObject(_Lazy):
    """A module, or names of a module, that a config imports without importing.

    Parameters
    ----------
    module
        Dotted name of a module, or several: ``import a.b`` followed by ``import a.c`` are one
        object that imports both.
    imported
        A name imported from that module; ``None`` stands for the module itself.
    location
        ``file, line n`` of the import statement, for messages.

    Examples
    --------
    >>> LazyObject("collections", "OrderedDict").build()
    <class 'collections.OrderedDict'>
    """

    __slots__ = ("_imported", "_modules", "location")

    def __init__(
        self,
        module: str | list[str] | tuple[str, ...],
        imported: str | None = None,
        location: Origin | str | None = None,
    ) -> None:
        self._modules = (module,) if isinstance(module, str) else tuple(module)
        self._imported = imported
        self.location: Origin | str | None = location

    @property
    def dotpath(self) -> str:
        """The dotted name of what is built."""
        module = self._modules[0]
        return module.split(".")[0] if self._imported is None else f"{module}.{self._imported}"

    @property
    def module(self) -> str:
        """The dotted name of the module that holds it."""
        return self._modules[0]

    @property
    def imported(self) -> str | None:
        """The name imported from the module; ``None`` for a module itself."""
        return self._imported

    def build(self) -> Any:
        """Import and return it.

        Raises
        ------
        ConfigImportError
            The module or the name does not exist.
        """
        try:
            if self._imported is None:
                for module in self._modules:
                    importlib.import_module(module)
                return importlib.import_module(self._modules[0].split(".")[0])
            return _member(importlib.import_module(self._modules[0]), self._imported)
        except (ImportError, AttributeError) as error:
            raise ConfigImportError(
                f"cannot import {self.dotpath!r}: {error}; install what holds it or correct "
                f"the name",
                self.location if isinstance(self.location, Origin) else None,
            ) from error

    def __str__(self) -> str:
        return self._imported or self._modules[0].split(".")[0]

    def __getstate__(self) -> tuple[tuple[str, ...], str | None]:
        return self._modules, self._imported

    def __setstate__(self, state: tuple[tuple[str, ...], str | None]) -> None:
        self._modules, self._imported = state
        self.location = None


class LazyAttr(_Lazy):
    """An attribute of a lazy object, or of another lazy attribute."""

    __slots__ = ("_source", "location", "name")

    def __init__(
        self, name: str, source: LazyObject | LazyAttr, location: Origin | str | None = None
    ) -> None:
        self.name = name
        self._source = source
        self.location: Origin | str | None = location if location is not None else source.location

    @property
    def dotpath(self) -> str:
        """The dotted name of what is built."""
        return f"{self._source.dotpath}.{self.name}"

    @property
    def source(self) -> LazyObject | LazyAttr:
        """What it is an attribute of."""
        return self._source

    def build(self) -> Any:
        """Import what it belongs to and return the attribute.

        Raises
        ------
        ConfigImportError
            What it belongs to cannot be imported or has no such attribute.
        """
        owner = self._source.build()
        try:
            return _member(owner, self.name)
        except (AttributeError, ImportError) as error:
            raise ConfigImportError(
                f"{self._source.dotpath!r} has no attribute {self.name!r}; correct the name",
                self.location if isinstance(self.location, Origin) else None,
            ) from error

    def __str__(self) -> str:
        return self.name

    def __getstate__(self) -> tuple[str, LazyObject | LazyAttr]:
        return self.name, self._source

    def __setstate__(self, state: tuple[str, LazyObject | LazyAttr]) -> None:
        self.name, self._source = state
        self.location = None


def _member(owner: Any, name: str) -> Any:
    """Return an attribute, or the submodule of that name."""
    try:
        return getattr(owner, name)
    except AttributeError:
        if not isinstance(owner, ModuleType):
            raise
        return importlib.import_module(f"{owner.__name__}.{name}")


def _same(one: _Lazy, other: object) -> bool:
    """Whether both are the same thing, however it was imported, built or not."""
    if isinstance(other, _Lazy):
        return one.dotpath == other.dotpath
    if not isinstance(other, type | FunctionType | BuiltinFunctionType | ModuleType):
        home = module_of(type(other)).partition(".")[0]  # of what a module holds: torch.float32
        if home == "builtins" or home != one.dotpath.partition(".")[0]:
            return False
    try:
        return bool(one.build() is other)
    except ConfigImportError:
        return False


def module_of(value: object) -> str:
    """Return the module that a class or a function says it is of; a few say none."""
    return getattr(value, "__module__", None) or ""


def stands_at(value: object, module: str | None, name: str) -> bool:
    """Whether a name of a module that is imported, such as ``Class.method``, is the value."""
    found: Any = sys.modules.get(module or "")
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is value


def of_module(module: ModuleType) -> LazyObject | ModuleType:
    """Return what stands for a module, which itself could be neither copied nor pickled."""
    above, _, name = module.__name__.rpartition(".")
    if sys.modules.get(module.__name__) is not module:
        return module
    return LazyObject(above, name) if above else LazyObject(name)


def _lazily(location: object) -> str:
    where = f" at {location}" if location else ""
    return f"it is imported lazily{where} and exists only once built"
