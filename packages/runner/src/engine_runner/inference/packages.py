"""Models that installed packages tell of in their model index."""

from __future__ import annotations

import re
from typing import Any

from engine_config import Config, ConfigFileNotFoundError
from engine_config.near_names import hint
from engine_config.reading.base_paths import models_in_index
from engine_registry import DefaultScope

__all__ = ["model_by_name", "model_names"]


def model_by_name(name: str, scope: str | None) -> tuple[Config, str]:
    """Return the configuration of a model and where its weights are.

    Parameters
    ----------
    name : str
        Its name or an alias in the index, in any case.
    scope : str, optional
        The package; by default that of the current scope.

    Raises
    ------
    ValueError
        If no package is named, or it has no such model.
    """
    package = _package(scope)
    try:
        models = models_in_index(package)
    except ConfigFileNotFoundError as error:
        raise ValueError(
            f"there is no file {name!r}, and it can be no model's name: the package {package!r} is "
            "not installed; give a configuration or its file, or the scope of an installed package"
        ) from error
    for model in models:
        if name.lower() in _names(model):
            weights = model.get("Weights", "")
            first = weights[0] if isinstance(weights, list) and weights else weights
            return Config.fromfile(model["Config"]), str(first or "")
    near = hint(name, [known for model in models for known in _names(model)])
    raise ValueError(
        f"there is no file {name!r}, and the model index of {package} has no such model{near}"
    )


def model_names(scope: str | None, patterns: str) -> list[str]:
    """Return the names in a package's model index in which a pattern is found, in order."""
    pattern = re.compile(patterns)
    names = (str(model.get("Name", "")) for model in models_in_index(_package(scope)))
    return sorted({name for name in names if name and pattern.search(name)})


def _names(model: dict[str, Any]) -> list[str]:
    alias = model.get("Alias") or []
    aliases = [alias] if isinstance(alias, str) else list(alias)
    return [str(name).lower() for name in (model.get("Name", ""), *aliases)]


def _package(scope: str | None) -> str:
    current = DefaultScope.get_current_instance()
    name = scope or (current.scope_name if current is not None else None)
    if name is None:
        raise ValueError(
            "to find a model by its name, say of which package it is: scope='mmdet', or another"
        )
    return name
