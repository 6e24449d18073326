"""Importing what a registry needs: its locations, a dotted path, the package of a scope."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from functools import cache

ENTRY_POINT_GROUP = "engine.registry"
# Packages such as torch, which full import paths name again and again.
_without_registry: set[str] = set()


def import_if_there(module: str) -> bool:
    """Import a module; tell whether it is there.  What fails inside it is raised as it is."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (
            module == error.name or module.startswith(f"{error.name}.")
        ):
            return False
        raise
    return True


def import_path(path: str) -> object | None:
    """Return the object at a full dotted path, None if there is no such module or attribute."""
    parts = path.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for length in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:length])
        if name in sys.modules or import_if_there(name):
            return _attribute(sys.modules[name], parts[length:])
    return None


def _attribute(found: object, names: list[str]) -> object | None:
    for name in names:
        found = getattr(found, name, None)
    return found


def import_scope(scope: str, *, trusted: bool = True) -> list[str]:
    """Import what makes a downstream package's components known; return the modules imported.

    These are the entry points of the group ``engine.registry`` with the scope's name; where
    there is none, the module ``<scope>.registry``, unless the name comes from untrusted data.
    """
    modules = entry_points().get(scope, ())
    if modules:
        return [module for module in modules if import_if_there(module)]
    if not trusted or scope in _without_registry or not _is_installed(scope):
        return []
    module = f"{scope}.registry"
    if import_if_there(module):
        return [module]
    _without_registry.add(scope)
    return []


def _is_installed(package: str) -> bool:
    return package in sys.modules or (
        package.isidentifier() and importlib.util.find_spec(package) is not None
    )


@cache
def entry_points() -> dict[str, tuple[str, ...]]:
    """Return the modules that installed packages name as plug-ins, by scope."""
    # Imported here: it costs more than all the rest of this package, and is rarely needed.
    from importlib.metadata import entry_points as installed

    modules: dict[str, tuple[str, ...]] = {}
    for point in installed(group=ENTRY_POINT_GROUP):
        module = point.value.partition(":")[0].strip()
        if all(part.isidentifier() for part in module.split(".")):
            modules[point.name] = (*modules.get(point.name, ()), module)
        else:
            logging.getLogger("engine.registry").warning(
                "the entry point %r names no module and is left out", point
            )
    return modules
