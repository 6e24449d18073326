"""``read_base`` and what an import means in a lazy-style config.

The text runs as it is, with an ``__import__`` of its own: Python's own modules are imported,
a module named within ``with read_base():`` is read as a config, and any other import only makes
a ``LazyObject``.
"""

from __future__ import annotations

import ast
import builtins
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from engine_config.base_paths import find_package
from engine_config.errors import ConfigFileNotFoundError, ConfigKeyError, ConfigStyleError
from engine_config.lazy_objects import LazyAttr, LazyObject, stands_at
from engine_config.origins import Origin
from engine_config.python_texts import is_own_module, is_read_base

_HOMES = ("engine_config", "mmengine")


@contextmanager
def read_base() -> Iterator[None]:
    """Mark the imports of a lazy-style config that name its bases."""
    yield


class _Names:
    """What ``from … import …`` takes names from: those that there are, or what ``get`` gives."""

    def __init__(self, get: Callable[[str], Any], known: Mapping[str, Any] | None = None) -> None:
        names = self.__dict__
        names.update(known or {})
        names["__all__"] = [name for name in names if not name.startswith("__")]
        names["__get__"] = get

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["__get__"](name)


class Importer:
    """The imports of one lazy-style config.

    Parameters
    ----------
    read
        Reads the config at a path; returns every name that it has, those it imports included.
    """

    def __init__(
        self, file: str, read: Callable[[str, tuple[int, str], Origin], dict[str, Any]]
    ) -> None:
        self._file = file
        self._read = read
        self._in_base = False

    def scope(self) -> dict[str, Any]:
        """Return the builtins for the config's text."""
        return {**vars(builtins), "__import__": self.import_, "read_base": self._read_base}

    @contextmanager
    def _read_base(self) -> Iterator[None]:
        self._in_base = True
        try:
            yield
        finally:
            self._in_base = False

    def import_(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """Answer an import statement."""
        at = Origin(self._file, sys._getframe(1).f_lineno)
        if self._in_base:
            if not fromlist:
                raise ConfigStyleError(
                    f"`import {name}` names no base; within read_base() write `from … import …`",
                    at,
                )
            return self._base(name, level, at)
        if level:
            raise ConfigStyleError(
                f"the relative import of {'.' * level}{name} is no base; put it within "
                f"`with read_base():`, or import by the full name",
                at,
            )
        if is_own_module(name):
            return builtins.__import__(name, globals, locals, fromlist or (), 0)
        if not fromlist:
            return LazyObject(name, None, at)
        if "*" in fromlist:
            raise ConfigStyleError(
                f"`from {name} import *` imports what is not known before it is imported; name "
                f"what you need, or put the import of a base within `with read_base():`",
                at,
            )
        if name.split(".")[0] in _HOMES and "read_base" in fromlist:
            own = SimpleNamespace(read_base=self._read_base)
            return _Names(lambda n: getattr(own, n, None) or LazyObject(name, n, at))
        return _Names(lambda n: LazyObject(name, n, at))

    def _base(self, name: str, level: int, at: Origin) -> _Names:
        values = self._read(self._path(name, level, at), (level, name), at)

        def get(key: str) -> Any:
            raise ConfigKeyError(
                f"the base {'.' * level}{name} has no {key!r}; it has {sorted(values)}", at
            )

        return _Names(get, values)

    def _path(self, name: str, level: int, at: Origin) -> str:
        parts = name.split(".") if name else []
        if level:
            folder = os.path.dirname(self._file)
            for _ in range(level - 1):
                folder = os.path.dirname(folder)
        else:
            found = find_package(parts[0])
            if found is None:
                raise ConfigFileNotFoundError(
                    f"the base {name} needs the package {parts[0]!r}, which is not installed", at
                )
            folder, parts = found, parts[1:]
            if parts[:1] == ["configs"] and not os.path.isdir(os.path.join(folder, "configs")):
                folder = os.path.join(folder, ".mim")
        stem = os.path.join(folder, *parts)
        for path in (f"{stem}.py", os.path.join(stem, "__init__.py")):
            if os.path.isfile(path):
                return path
        raise ConfigFileNotFoundError(
            f"the base {'.' * level}{name} is not there: there is no file {stem}.py", at
        )


def imported_names(outline: list[ast.stmt], file: str) -> dict[str, set[tuple[str, str]]]:
    """Return the names that a text binds by an import that names no base, and what of each.

    Raises
    ------
    ConfigStyleError
        A statement within ``with read_base():`` names no base.
    """
    names: dict[str, set[tuple[str, str]]] = {}
    bases: set[int] = set()
    for node in outline:
        if is_read_base(node):
            for inner in getattr(node, "body", ()):
                bases.add(id(inner))
                if not isinstance(inner, ast.ImportFrom | ast.Pass):
                    raise ConfigStyleError(
                        "within `with read_base():` stands only `from … import …`",
                        Origin(file, inner.lineno, inner.col_offset + 1),
                    )
        elif isinstance(node, ast.Import):
            for alias in node.names:
                module = alias.name if alias.asname else alias.name.split(".")[0]
                names.setdefault(alias.asname or module, set()).add((module, ""))
        elif isinstance(node, ast.ImportFrom) and id(node) not in bases:
            for alias in node.names:
                place = (node.module or "", alias.name)
                names.setdefault(alias.asname or alias.name, set()).add(place)
    return names


def comes_from(value: Any, module: str, name: str) -> bool:
    """Whether a value is what an import of a module, or of a name of it, has bound."""
    if type(value) is LazyObject and name and value.module == module and value.imported == name:
        return True
    dotted = f"{module}.{name}" if name else module
    if isinstance(value, LazyObject | LazyAttr):
        return value.dotpath == dotted
    if name == "read_base":  # its home is never imported, whatever it is
        return True
    return value is sys.modules.get(dotted) or (bool(name) and stands_at(value, module, name))
