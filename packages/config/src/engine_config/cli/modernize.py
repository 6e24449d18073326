"""Old style to new: names of types become imports."""

from __future__ import annotations

import importlib
from typing import Any

from engine_config.config import Config
from engine_config.errors import ConfigImportError
from engine_config.lazy_objects import LazyObject


def import_types(cfg: Config, modules: list[str]) -> list[str]:
    """Turn ``type='Name'`` into what the name stands for, imported from one of some modules.

    A dotted name, such as ``torch.nn.Conv2d``, needs none.  Returns the names that stay strings.

    Raises
    ------
    ConfigImportError
        A module cannot be imported.
    """
    homes = [_module(name) for name in modules]
    left: dict[str, None] = {}
    _walk(cfg._cfg_dict, homes, left)
    return list(left)


def _walk(value: Any, homes: list[Any], left: dict[str, None]) -> None:
    if isinstance(value, dict):
        name = dict.get(value, "type")
        if isinstance(name, str):
            found = _find(name, homes)
            if found is None:
                left[name] = None
            else:
                dict.__setitem__(value, "type", found)
        for item in dict.values(value):
            _walk(item, homes, left)
    elif isinstance(value, list | tuple):
        for item in value:
            _walk(item, homes, left)


def _find(name: str, homes: list[Any]) -> LazyObject | None:
    module, _, last = name.rpartition(".")
    if module and all(part.isidentifier() for part in name.split(".")):
        return LazyObject(module, last)
    for home in homes:
        if hasattr(home, name):
            return LazyObject(home.__name__, name)
    return None


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigImportError(f"cannot import the module {name!r}: {error}") from error
