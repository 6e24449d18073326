"""What a registration must be, and which of two of the same name stands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from .context import OWN_PACKAGES
from .errors import DuplicateNameError
from .tree import Node


def gives_way(registry: Node, name: str, module: Callable[..., Any], place: str) -> bool:
    """Tell whether a name may stand for ``module``; what these packages bring gives way.

    A class of a user may so be registered under a name that MMEngine does not have and these
    packages do, be it before or after theirs is imported.
    """
    known = registry.module_dict.get(name)
    if known is None:
        return True
    where = registry.places.get(name, "run time")
    if is_ours(known) == is_ours(module):
        raise DuplicateNameError(
            f"{name!r} is already registered in registry {registry.name!r} (scope "
            f"{registry.scope!r}): {known!r} at {where}; {module!r} at {place} needs another "
            "name, or force=True to replace it"
        )
    logging.getLogger("engine.registry").warning(
        "registry %r: %r at %s and %r at %s are both called %r; the one that does not come with "
        "the engine stands",
        *(registry.name, known, where, module, place, name),
    )
    return is_ours(known)


def is_ours(module: object) -> bool:
    """Tell whether a class or function comes with these packages."""
    return str(getattr(module, "__module__", "")).partition(".")[0] in OWN_PACKAGES


def require_bool(force: object) -> None:
    """Raise a TypeError unless ``force`` is a bool."""
    if not isinstance(force, bool):
        raise TypeError(f"force must be a bool, got {type(force).__name__}")


def names_of(name: object) -> tuple[str, ...] | None:
    """Return the names of a registration, None for the component's own."""
    if name is None:
        return None
    names = (name,) if isinstance(name, str) else name
    if not isinstance(names, Sequence) or not all(isinstance(n, str) for n in names):
        raise TypeError(
            f"name must be a str, a sequence of str or None, got {type(name).__name__}: "
            "write @REGISTRY.register_module() with its parentheses"
        )
    return tuple(names)
