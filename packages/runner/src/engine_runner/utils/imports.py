"""Modules and what is in them, by their names."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = [
    "get_object_from_string",
    "has_method",
    "import_modules_from_strings",
    "is_method_overridden",
]


def import_modules_from_strings(
    imports: str | Sequence[str] | None, allow_failed_imports: bool = False
) -> ModuleType | list[ModuleType | None] | None:
    """Import modules.

    Parameters
    ----------
    imports : str or list of str
        Their names.
    allow_failed_imports : bool
        Whether one that cannot be imported is left out, with a warning.

    Returns
    -------
    module or list of modules
        As the names are given; None for one that was left out, and where there is no name.

    Raises
    ------
    ImportError
        If one cannot be imported.
    TypeError
        If a name is no str.

    Examples
    --------
    >>> [module.__name__ for module in import_modules_from_strings(["os.path", "json"])]
    ['posixpath', 'json']
    """
    if not imports:
        return None
    if isinstance(imports, str):
        return _imported(imports, allow_failed_imports)
    if not isinstance(imports, (list, tuple)):
        raise TypeError(f"imports must be a str or a list of str, got {imports!r}")
    for name in imports:
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is of type {type(name).__name__} and cannot be imported")
    return [_imported(name, allow_failed_imports) for name in imports]


def _imported(name: str, may_fail: bool) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if not may_fail:
            raise ImportError(f"Failed to import {name}: {error}", name=name) from error
        warnings.warn(f"{name} failed to import and is ignored.", UserWarning, stacklevel=3)
        return None


def get_object_from_string(obj_name: str) -> Any:
    """Return what a dotted name stands for; None if nothing.

    Parameters
    ----------
    obj_name : str
        Such as ``"torch.nn.Linear"``.
    """
    if not isinstance(obj_name, str) or not obj_name:
        raise ValueError(
            f"an object is named by a str such as 'torch.nn.Linear', got {obj_name!r}"
        )
    try:
        return pkgutil.resolve_name(obj_name)
    except (ImportError, AttributeError, ValueError):
        return None


def has_method(obj: object, method: str) -> bool:
    """Whether an object has a method of a name."""
    return callable(getattr(obj, method, None))


def is_method_overridden(method: str, base_class: type, derived_class: type | Any) -> bool:
    """Whether a class has a method of its own in place of its base's.

    Parameters
    ----------
    method : str
        The name of the method.
    base_class : type
        The base.
    derived_class : type or object
        The class, or an instance of it.
    """
    if not isinstance(base_class, type):
        raise TypeError(f"base_class must be a class, got the instance {base_class!r}")
    derived = derived_class if isinstance(derived_class, type) else type(derived_class)
    return bool(getattr(derived, method) is not getattr(base_class, method))
