"""The one deep merge: a config over its base, an override over a config."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import copy as shallow_copy
from typing import Any

from engine_config.errors import ConfigKeyError, ConfigTypeError, ConfigWarning
from engine_config.overriding.dotted_keys import is_index
from engine_config.values.dict_origins import WithOrigin, distrust
from engine_config.values.origins import Locate, Origin, Path
from engine_config.visible import visible

BASE_KEY, DELETE_KEY, DEPRECATION_KEY = "_base_", "_delete_", "_deprecation_"


def nowhere(_: Path) -> Origin | None:
    """Know no origin."""
    return None


def merge(
    new: dict[Any, Any],
    base: Any,
    *,
    allow_list_keys: bool = False,
    locate: Locate = nowhere,
    path: Path = (),
    replace: bool = False,
) -> Any:
    """Return ``base`` with ``new`` merged over it; neither is changed.

    Dictionaries are merged key by key, unless one says ``_delete_=True``; anything else replaces.

    Parameters
    ----------
    allow_list_keys
        Whether the integer keys of a dictionary over a list mean the items of that list.
    locate
        Tells where the value at a path of ``new`` was set, for messages.
    replace
        Whether a dictionary over something that is none replaces it, too.

    Raises
    ------
    ConfigTypeError
        A dictionary over something that is none.
    ConfigKeyError
        An index that a list does not have.
    """
    if isinstance(base, list):
        return _merge_list(new, base, locate, path)
    merged = _copy(base, new)
    how: Any = {"allow_list_keys": allow_list_keys, "locate": locate, "replace": replace}
    for key, value in dict.items(new):
        if not isinstance(value, dict):
            dict.__setitem__(merged, key, value)
            continue
        delete = delete_of(value, (*path, key), locate)
        if delete is not None:
            if delete and key not in merged:
                _warn_of_nothing((*path, key), locate)
            value = without_delete(value)
        if key in merged and not delete:
            below = dict.__getitem__(merged, key)
            if isinstance(below, dict) or (allow_list_keys and isinstance(below, list)):
                value = merge(value, below, path=(*path, key), **how)
            elif not replace:
                raise _over(value, below, (*path, key), locate)
        dict.__setitem__(merged, key, value)
    return merged


def delete_of(value: dict[Any, Any], path: Path, locate: Locate = nowhere) -> bool | None:
    """Return what a dictionary says of ``_delete_``, ``None`` if nothing."""
    delete: bool | None = dict.get(value, DELETE_KEY)
    if delete is None and DELETE_KEY not in value:
        return None
    if isinstance(delete, int) and delete in (0, 1):
        return bool(delete)
    key = dotted((*path, DELETE_KEY))
    raise ConfigTypeError(
        f"{key} is True or False, got {delete!r} of type {type(delete).__name__}",
        locate((*path, DELETE_KEY)) or locate(path),
    )


def _copy(base: dict[Any, Any], new: dict[Any, Any]) -> dict[Any, Any]:
    """Return a copy of a base, trusted no more than what comes over it."""
    copy = base.__copy__() if isinstance(base, WithOrigin) else shallow_copy(base)
    if type(new) is not dict:
        distrust(copy, new)
    return copy


def _merge_list(new: dict[Any, Any], base: list[Any], locate: Locate, path: Path) -> list[Any]:
    merged = list(base)
    for key, value in dict.items(new):
        index = _index(key, merged, (*path, key), locate)
        below = merged[index]
        if isinstance(value, dict) and isinstance(below, dict | list):
            value = merge(value, below, allow_list_keys=True, locate=locate, path=(*path, key))
        merged[index] = value
    return merged


def _index(key: Any, items: list[Any], path: Path, locate: Locate) -> int:
    if isinstance(key, str) and is_index(key):
        key = int(key)
    if not isinstance(key, int) or isinstance(key, bool):
        raise ConfigTypeError(
            f"{dotted(path)}: {key!r} is no index of a list of {len(items)} items; "
            f"use {{0: …}} to change an item, or give a whole list",
            locate(path),
        )
    if not -len(items) <= key < len(items):
        raise ConfigKeyError(
            f"{dotted(path)}: index {key} is outside a list of {len(items)} items; "
            f"allowed are 0 to {len(items) - 1}",
            locate(path),
        )
    return key


def _over(value: Any, below: Any, path: Path, locate: Locate) -> ConfigTypeError:
    return ConfigTypeError(
        f"cannot merge {dotted(path)}={value!r} over the base's {type(below).__name__} "
        f"{below!r}: a dictionary merges only over a dictionary; put _delete_=True into it to "
        f"replace the value",
        locate(path),
    )


def _warn_of_nothing(path: Path, locate: Locate) -> None:
    warn(
        f"{dotted(path)} says {DELETE_KEY}=True, but there is nothing to delete: no base has "
        f"{dotted(path)}; leave it out, or correct the key",
        locate((*path, DELETE_KEY)) or locate(path),
    )


def warn(message: str, origin: Origin | None) -> None:
    """Warn of what a config says to no effect, where it says so."""
    text = visible(f"{origin}: {message}" if origin else message)
    warnings.warn(text, ConfigWarning, stacklevel=2)


def without_delete(value: dict[Any, Any]) -> dict[Any, Any]:
    """Return a copy without the ``_delete_`` key."""
    value = value.copy()
    dict.pop(value, DELETE_KEY)
    return value


def nested(options: dict[str, Any]) -> tuple[dict[Any, Any], list[Path]]:
    """Return dotted keys as nested dictionaries, and the paths of the values that these set.

    >>> nested({"a.b": 1, "c": {"d": 2}})
    ({'a': {'b': 1}, 'c': {'d': 2}}, [('a', 'b'), ('c', 'd')])
    """
    tree: dict[Any, Any] = {}
    for key, value in options.items():
        node = tree
        *above, last = key.split(".") if isinstance(key, str) else [key]
        for part in above:
            inner = node.get(part)
            node[part] = dict(inner) if isinstance(inner, dict) else {}
            node = node[part]
        node[last] = value
    return tree, list(_leaves(tree, ()))


def _leaves(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value and DELETE_KEY not in value:
        for key, item in dict.items(value):
            yield from _leaves(item, (*path, key))
    else:
        yield path


def dotted(path: Path) -> str:
    """Write a path as ``a.b.0``."""
    return ".".join(map(str, path))
