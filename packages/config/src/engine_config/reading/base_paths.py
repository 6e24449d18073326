"""Where a base is: beside the file, at a path, or in another installed package."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from engine_config.errors import (
    ConfigFileNotFoundError,
    ConfigInheritanceError,
    ConfigSecurityError,
    ConfigTypeError,
)
from engine_config.formats import yaml_codec
from engine_config.near_names import near_files
from engine_config.reading.data_texts import parse_yaml
from engine_config.reading.texts import read_text
from engine_config.values.origins import Origin

T = TypeVar("T")
_IN_PACKAGE = re.compile(r"([A-Za-z_][\w.]*)::(.+)", re.DOTALL)


def locate_base(
    name: Any, file: str, at: Origin, folders: tuple[str, ...] | None = None
) -> tuple[str, str | None]:
    """Return the path of a base, and the package if it is another's.

    Raises
    ------
    ConfigInheritanceError
        The name is no string.
    ConfigSecurityError
        It lies in none of the folders.
    ConfigFileNotFoundError
        There is no such package or file.
    """
    if not isinstance(name, str) or not _nameable(name):
        raise ConfigInheritanceError(
            f"_base_ is a path or a list of paths, got {name!r} of type {type(name).__name__}", at
        )
    match = _IN_PACKAGE.fullmatch(name)
    if match:
        path = locate_in_package(match[1], match[2], at)
        _refuse_outside(path, name, folders, at)
        return path, match[1]
    path = os.path.join(os.path.dirname(file), name)
    _refuse_outside(path, name, folders, at)
    if not os.path.exists(path):
        raise ConfigFileNotFoundError(
            f"the base {name!r} of {file} is not there: there is no file {path}{near_files(path)}",
            at,
        )
    return path, None


def _nameable(name: str) -> bool:
    """Whether the system can have a file of a name."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:  # half a character
        return False


def _refuse_outside(path: str, name: str, folders: tuple[str, ...] | None, at: Origin) -> None:
    """Raise, before anything is looked up there, where a base lies in none of the folders."""
    if folders is None:
        return
    real = os.path.realpath(path)
    if not any(real.startswith(os.path.join(folder, "")) for folder in folders):
        limits = f", or limits=Limits(folders=[{os.path.dirname(real)!r}])"
        raise ConfigSecurityError(
            f"the base {name!r} lies outside of {', '.join(folders)}; where it may be read, pass "
            f"--allow-folder {os.path.dirname(real)}{limits}",
            at,
            for_programs=limits,
        )


def find_package(name: str) -> str | None:
    """Return the folder of an installed package, without importing it or what it is in."""
    first, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    roots = spec.submodule_search_locations if spec is not None else None
    folders = [os.path.join(root, *rest) for root in roots or ()]
    return next(filter(os.path.isdir, folders), None)


def locate_in_package(package: str, name: str, at: Origin | None = None) -> str:
    """Return the path of a config of an installed package.

    Parameters
    ----------
    package
        The package, as it is imported.
    name
        The config's path below the package's ``configs``, or the name of a model in its index.
    at
        Where that was asked for, for errors.

    Raises
    ------
    ConfigFileNotFoundError
        There is no such package or file.
    """
    folders = _folders_of(package, f"{package}::{name}", at)
    for folder in folders:
        for candidate in (os.path.join(folder, "configs", name), _from_index(folder, name)):
            if candidate is not None and os.path.isfile(candidate):
                return candidate
    raise ConfigFileNotFoundError(
        f"{package}::{name} is neither a file below {' or '.join(folders)} "
        f"nor in the model index there",
        at,
    )


def models_in_index(package: str) -> list[dict[str, Any]]:
    """Return what the model index of an installed package says of its models.

    ``Config`` of each is the path of its config, without links.
    """
    return [
        {**model, "Config": os.path.realpath(os.path.join(folder, str(model.get("Config", ""))))}
        for folder in _folders_of(package, package, None)
        for model in _models(folder)
    ]


def _folders_of(package: str, asked: str, at: Origin | None) -> list[str]:
    root = find_package(package)
    if root is None:
        raise ConfigFileNotFoundError(
            f"{asked} needs the package {package!r}, which is not installed", at
        )
    # A wheel carries its configs in .mim, an editable install has them beside the package.
    return [os.path.join(root, ".mim"), os.path.dirname(root)]


def _from_index(folder: str, name: str) -> str | None:
    """Look a config up by its model's name or the end of its path."""
    wanted = name.removesuffix(".py")
    for model in _models(folder):
        config = str(model.get("Config", ""))
        if model.get("Name") == wanted or config.endswith(f"/{wanted}.py"):
            return os.path.join(folder, config)
    return None


def _models(folder: str) -> Iterator[dict[str, Any]]:
    for part in _listed(os.path.join(folder, "model-index.yml"), "a model index", "Import", str):
        yield from _listed(os.path.join(folder, part), "a metafile", "Models", dict)


def _listed(path: str, what: str, key: str, kind: type[T]) -> list[T]:
    """Return what a YAML file lists by a key, or by itself; nothing where there is no file."""
    if not os.path.exists(path):
        return []
    said = parse_yaml(read_text(path), path, yaml_codec.load)
    items = said.get(key) if isinstance(said, dict) else said
    if items is None:
        return []
    if not isinstance(items, list):
        got = repr(items)
    elif all(isinstance(item, kind) for item in items):
        return items
    else:
        got = f"{next(item for item in items if not isinstance(item, kind))!r} in it"
    raise ConfigTypeError(f"{what} is a mapping with a list {key}, got {got}", Origin(path, 1))


def add_scope(values: Any, scope: str) -> None:
    """Let the components of another package's config be built in that package's registries.

    The scope goes to the outermost dictionaries that name a type, wherever they lie; what is within
    them is built in the same scope.
    """
    if isinstance(values, dict):
        if "type" in values:
            values.setdefault("_scope_", scope)
            return
        values = list(dict.values(values))
    for item in values if isinstance(values, list | tuple) else ():
        add_scope(item, scope)
