"""``read_base`` and what an import means in a lazy-style config.

The text runs as it is, with an ``__import__`` of its own: Python's own modules are imported,
a module named within ``with read_base():`` is read as a config, and any other import only makes
a ``LazyObject``.
"""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from engine_config.errors import ConfigFileNotFoundError, ConfigKeyError, ConfigStyleError
from engine_config.near_names import hint, near_files
from engine_config.reading.base_paths import find_package
from engine_config.reading.outline import is_own_module
from engine_config.values.lazy_objects import LazyAttr, LazyObject, stands_at
from engine_config.values.origins import Origin

_HOMES = ("engine_config", "mmengine")


@contextmanager
def read_base() -> Iterator[None]:
    """Mark the imports of a lazy-style config that name its bases."""
    yield


class _Names:
    """What ``from … import …`` takes names from; ``missing`` raises for one that is not there."""

    def __init__(
        self, names: Mapping[str, Any], missing: Callable[[str], ConfigKeyError] | None = None
    ) -> None:
        self.__dict__.update(names)
        self.__dict__["__missing__"] = missing

    def __getattr__(self, name: str) -> Any:
        names = self.__dict__
        if name == "__all__":  # of ``import *``
            return [known for known in names if not known.startswith("__")]
        raise names["__missing__"](name)


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
        if level and (package := _package_of(self._file, level)) and "*" not in (fromlist or ()):
            # as Python means it there, and like any other import not done yet
            name, level = f"{package}.{name}" if name else package, 0
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
        names: dict[str, Any] = {each: LazyObject(name, each, at) for each in fromlist}
        if "read_base" in names and name.split(".")[0] in _HOMES:
            names["read_base"] = self._read_base
        return _Names(names)

    def _base(self, name: str, level: int, at: Origin) -> _Names:
        values = self._read(self._path(name, level, at), (level, name), at)

        def missing(key: str) -> ConfigKeyError:
            return ConfigKeyError(
                f"the base {'.' * level}{name} has no {key!r}{hint(key, values)}", at
            )

        return _Names(values, missing)

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
            f"the base {'.' * level}{name} is not there: there is no file {stem}.py"
            f"{near_files(f'{stem}.py')}",
            at,
        )


def _package_of(file: str, level: int) -> str:
    """Return the package that a relative import in a file begins from; empty outside of any."""
    folder = os.path.dirname(file)
    for _ in range(level - 1):
        folder = os.path.dirname(folder)
    names: list[str] = []
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        names.insert(0, name)
    return ".".join(names)


def comes_from(value: Any, module: str, name: str, relative: bool) -> bool:
    """Whether a value is what an import of a module, or of a name of it, has bound."""
    if relative:
        lazy = type(value) is LazyObject and value.imported == name
        return lazy and f".{value.module}".endswith(f".{module}" if module else "")
    if type(value) is LazyObject and name and value.module == module and value.imported == name:
        return True
    dotted = f"{module}.{name}" if name else module
    if isinstance(value, LazyObject | LazyAttr):
        return value.dotpath == dotted
    if name == "read_base":  # its home is never imported, whatever it is
        return True
    return value is sys.modules.get(dotted) or (bool(name) and stands_at(value, module, name))
