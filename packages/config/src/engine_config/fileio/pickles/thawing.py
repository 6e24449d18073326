"""From the inert records of a pickle to values, once the whole file is read."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from engine_config.fileio.pickles.alike import HEAVIEST_KEY, Alike
from engine_config.fileio.pickles.machine import Refused
from engine_config.values.config_dict import ConfigDict

__all__ = ["Frozen", "Thawing", "marked"]

_MARK = "_engine_stands_for"


class Frozen:
    """Keeps what a pickle says of an object, to become a value later."""

    def __setstate__(self, state: object) -> None:
        """Refuse: only a kind that expects a state takes one."""
        raise pickle.UnpicklingError(f"{type(self).__name__} has no state")

    def thaw(self, thawing: Thawing) -> Any:
        """Return the value; what lies inside is converted by ``thawing``."""
        raise pickle.UnpicklingError(f"{type(self).__name__} stands for no value")


def marked(stands_for: type[dict[Any, Any]]) -> OrderedDict[Any, Any]:
    """Return an ordered dict, the one mapping that torch's unpickler fills, that becomes another."""
    made: OrderedDict[Any, Any] = OrderedDict()
    made.__dict__[_MARK] = stands_for
    return made


class Thawing:
    """Replaces the records in nested containers, in place where a container can be changed.

    Parameters
    ----------
    names
        What becomes a name, by its id: classes and functions that a pickle names as values.
    """

    def __init__(self, names: Mapping[int, str] | None = None) -> None:
        self._names = names or {}
        self._done: dict[int, Any] = {}
        self._alike = Alike()
        self._originals: list[Any] = []  # an id is one object's while that lives

    def __call__(self, value: Any) -> Any:
        """Return the value with every record in it replaced; what is shared stays shared."""
        key = id(value)
        if key in self._done:
            return self._done[key]
        if not isinstance(value, (Frozen, dict, list, tuple, set, frozenset)):
            return self._other(key, value)
        self._originals.append(value)
        if type(value) in (dict, OrderedDict, list):
            self._done[key] = value  # before its items: it may hold itself
        self._done[key] = result = self._replace(value)
        return result

    def _other(self, key: int, value: Any) -> Any:
        if key in self._names:
            return self._names[key]
        if isinstance(value, type) and issubclass(value, Frozen):
            raise Refused("a class as a value, which stands for a record")
        return value

    def _replace(self, value: Any) -> Any:
        if isinstance(value, Frozen):
            return value.thaw(self)
        if isinstance(value, dict):
            return self._mapping(value)
        if type(value) is list:
            value[:] = [self(item) for item in value]
        elif type(value) is tuple:
            items = tuple(self(item) for item in value)
            return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
        elif type(value) in (set, frozenset):
            return type(value)(self._key(item) for item in value)
        return value

    def _key(self, key: Any) -> Any:
        """Return what a key became; the records that it was of did not show how many are alike."""
        made = _hashable(self(key))
        if made is not key:
            self._alike.add(made, HEAVIEST_KEY if type(made) is tuple else 1)
        return made

    def _mapping(self, value: dict[Any, Any]) -> Any:
        items = [(self._key(key), self(item)) for key, item in value.items()]
        kind = getattr(value, "__dict__", {}).pop(_MARK, None)
        if kind is dict:
            return dict(items)
        if kind is ConfigDict:
            return ConfigDict(dict(items))
        value.clear()
        for key, item in items:  # a Counter's update would count the pairs
            value[key] = item
        return value


def _hashable(value: Any) -> Any:
    """Return what an object became as a key: what it holds, in tuples."""
    if isinstance(value, dict):
        return tuple((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(_hashable(item) for item in value)
    return value
