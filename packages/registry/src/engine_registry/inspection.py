"""What registries hold."""

from __future__ import annotations

import datetime
import inspect
import json
import logging
import pathlib
from typing import Any, NamedTuple

from . import roots
from .places import source_place
from .registry import Registry
from .search import holds
from .suggestions import unknown


def traverse_registry_tree(registry: Registry[Any], verbose: bool = True) -> list[dict[str, Any]]:
    """Return, for every registry of the tree, its scope, its names and their number.

    Parameters
    ----------
    registry : Registry
        Any registry of the tree.
    verbose : bool
        Log the numbers.
    """
    found: list[dict[str, Any]] = []
    for member in registry.root.tree():
        names = list(member.module_dict)
        entry: dict[str, Any] = {"num_modules": len(names), "scope": member.scope}
        if names:
            entry[member.name] = names
        found.append(entry)
        if verbose:
            logging.getLogger("engine.registry").info(
                "%d names in %s's registry %r", len(names), member.scope, member.name
            )
    return found


def count_registered_modules(
    save_path: str | pathlib.Path | None = None, verbose: bool = True
) -> dict[str, Any]:
    """Return what all root registries and those below hold, by the registries' names.

    Parameters
    ----------
    save_path : str or os.PathLike, optional
        A folder for the result as ``modules_statistic_results.json``.
    verbose : bool
        Log the numbers.
    """
    for registry in roots.ROOTS.values():
        registry.import_from_location()
    result: dict[str, Any] = {
        "scan_date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "registries": {
            name: traverse_registry_tree(registry, verbose)
            for name, registry in roots.ROOTS.items()
        },
    }
    if save_path is not None:
        file = pathlib.Path(save_path) / "modules_statistic_results.json"
        file.write_text(json.dumps(result, indent=2), encoding="utf-8")
        logging.getLogger("engine.registry").info("written to %s", file)
    return result


class Description(NamedTuple):
    """What a name stands for.

    Attributes
    ----------
    name : str
        The name asked for.
    registry : str
        The registry that has it; empty for what a path leads to and none has.
    path : str
        Module and qualified name of the class or function.
    file : str or None
        Its source file; None if it has none.
    line : int or None
        The line of its definition, counted from 1.
    signature : str
        What it takes, ``(...)`` if that cannot be told.
    summary : str
        The first line of its docstring.
    """

    name: str
    registry: str
    path: str
    file: str | None
    line: int | None
    signature: str
    summary: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file else "no source"
        home = self.registry or "not registered"
        head = f"{self.path}{self.signature}\n  {home}, {place}"
        return f"{head}\n  {self.summary}" if self.summary else head


def describe(name: str, registry: Registry[Any] | None = None) -> Description:
    """Tell what a name stands for, in a registry or in the first root registry that has it.

    Raises
    ------
    UnknownNameError
        If nothing has that name.
    """
    searched = list(roots.ROOTS.values()) if registry is None else [registry]
    for one in searched:
        found = one.get(name)
        if found is not None:
            file, line = source_place(found) or (None, None)
            doc = inspect.getdoc(found) or ""
            parts = (getattr(found, "__module__", None), getattr(found, "__qualname__", name))
            path = ".".join(part for part in parts if part)
            summary = next(iter(doc.splitlines()), "")
            home = next((r.name for r in searched if holds(r, found)), "")
            return Description(name, home, path, file, line, _signature(found), summary)
    raise unknown(searched[0], name, also=searched)


class _Bare(str):
    """An annotation that is written as it stands in the source, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _signature(found: Any) -> str:
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return "(...)"
    parameters = [p.replace(annotation=_bare(p.annotation)) for p in signature.parameters.values()]
    returned = _bare(signature.return_annotation)
    return str(signature.replace(parameters=parameters, return_annotation=returned))


def _bare(annotation: Any) -> Any:
    return _Bare(annotation) if isinstance(annotation, str) else annotation
