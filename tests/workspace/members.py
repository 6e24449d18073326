"""Read what packages and environments declare."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from tests.workspace.tree import PACKAGES, ROOT, read_toml


def root_settings() -> dict[str, Any]:
    """Return the tables of the repository's ``pyproject.toml``."""
    return read_toml(ROOT / "pyproject.toml")


def siblings(project: Mapping[str, Any]) -> list[Requirement]:
    """Return the packages of ours that a project table requires, with or without an extra."""
    optional = project.get("optional-dependencies", {}).values()
    declared = [*project["dependencies"], *(line for lines in optional for line in lines)]
    return [found for found in map(Requirement, declared) if found.name.startswith("engine-")]


def unbounded_siblings(project: Mapping[str, Any]) -> list[str]:
    """Return the siblings whose range is not ``>=X,<Y`` with Y the next incompatible version.

    Before 1.0 that is the next minor version, after it the next major one.
    """
    return [str(found) for found in siblings(project) if not _is_compatible_range(found)]


def _is_compatible_range(requirement: Requirement) -> bool:
    bounds = {clause.operator: Version(clause.version) for clause in requirement.specifier}
    if set(bounds) != {">=", "<"}:
        return False
    low, high = bounds[">="], bounds["<"]
    following = (low.major + 1,) if low.major else (0, low.minor + 1)
    return high == Version(".".join(map(str, following)))


def current_version(distribution: str) -> str:
    """Return the version in the source of one of our distributions."""
    version: str = importlib.import_module(distribution.replace("-", "_")).__version__
    return version


def closure(name: str) -> set[str]:
    """Return a package and the siblings that it declares, directly or through another."""
    (package,) = (package for package in PACKAGES if package.name == name)
    found = {name}
    for requirement in siblings(package.settings["project"]):
        found |= closure(requirement.name.removeprefix("engine-"))
    return found


def isolated_members(table: Mapping[str, Any], name: str) -> set[str]:
    """Return the members that a matrix override gives to one package's environment."""
    entries = table["overrides"]["matrix"]["package"]["set-workspace"]["members"]
    return {
        entry if isinstance(entry, str) else entry["value"]
        for entry in entries
        if isinstance(entry, str) or name in entry["if"]
    }


def own_variables(envs: Mapping[str, Any]) -> list[str]:
    """Return the derived environments that set variables, for they lose the inherited ones."""
    return [
        name
        for name, table in envs.items()
        if name != "default" and any(key.endswith("env-vars") for key in _keys(table))
    ]


def _keys(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield key
        if isinstance(value, Mapping):
            yield from _keys(value)
