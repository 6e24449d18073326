"""Old style to new: names of types become imports."""

from __future__ import annotations

import importlib
from typing import Any

from engine_config.config import Config
from engine_config.errors import ConfigImportError
from engine_config.values.dict_origins import is_trusted
from engine_config.values.lazy_objects import LazyObject


def import_types(cfg: Config, modules: list[str]) -> list[str]:
    """Turn ``type='Name'`` into what the name stands for, imported from one of some modules.

    A dotted name, such as ``torch.nn.Conv2d``, needs none, but in a config that is not trusted:
    that does not choose what is imported.  Returns the names that stay strings.
    """
    homes = [_module(name) for name in modules]
    left: dict[str, None] = {}
    _walk(cfg._cfg_dict, homes, left, is_trusted(cfg))
    return list(left)


def _walk(value: Any, homes: list[Any], left: dict[str, None], by_path: bool) -> None:
    if isinstance(value, dict):
        name = dict.get(value, "type")
        if isinstance(name, str):
            found = _find(name, homes, by_path)
            if found is None:
                left[name] = None
            else:
                dict.__setitem__(value, "type", found)
        for item in dict.values(value):
            _walk(item, homes, left, by_path)
    elif isinstance(value, list | tuple):
        for item in value:
            _walk(item, homes, left, by_path)


def _find(name: str, homes: list[Any], by_path: bool) -> LazyObject | None:
    module, _, last = name.rpartition(".")
    if module:
        found = LazyObject(module, last)
        if by_path and _is_there(found):
            return found
        # of ``mmdet.ResNet`` the first part may be a scope: whatever lies below that package
        homes = [home for home in homes if _is_within(home.__name__, module)]
    for home in homes:
        if hasattr(home, last):
            return LazyObject(home.__name__, last)
    return None


def _is_within(module: str, package: str) -> bool:
    """Whether a module is a package or lies below it."""
    return f"{module}.".startswith(f"{package}.")


def _is_there(found: LazyObject) -> bool:
    try:
        found.build()
    except Exception:  # whatever a module raises when it is imported
        return False
    return True


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigImportError(f"cannot import the module {name!r}: {error}") from error
