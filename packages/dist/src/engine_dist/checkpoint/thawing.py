"""From the inert records of a pickle to values, once the whole file is read."""

from __future__ import annotations

from collections import OrderedDict
from pickle import UnpicklingError
from typing import Any

from engine_config import ConfigDict

_MARK = "_engine_stands_for"


class Frozen:
    """Keeps what a pickle says of an object, to become a value later."""

    made = 0

    def __new__(cls, *args: object) -> Any:
        """Count: a file that made no record need not be walked."""
        Frozen.made += 1
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Refuse: only a kind that expects a state takes one."""
        raise UnpicklingError(f"{type(self).__name__} has no state")

    def thaw(self, thawing: Thawing) -> Any:
        """Return the value; what lies inside is converted by ``thawing``."""
        raise UnpicklingError(f"{type(self).__name__} stands for no value")


def marked(stands_for: type[dict[Any, Any]]) -> OrderedDict[Any, Any]:
    """Return an ordered dict, the one mapping that torch's unpickler fills, that becomes another."""
    Frozen.made += 1
    made: OrderedDict[Any, Any] = OrderedDict()
    made.__dict__[_MARK] = stands_for
    return made


class Thawing:
    """Replaces the records in nested containers, in place where a container can be changed."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._originals: list[Any] = []  # an id is one object's while that lives

    def __call__(self, value: Any) -> Any:
        """Return the value with every record in it replaced; what is shared stays shared."""
        key = id(value)
        if key in self._done:
            return self._done[key]
        if not isinstance(value, (Frozen, dict, list, tuple, set)):
            return value
        self._originals.append(value)
        if type(value) in (dict, OrderedDict, list):
            self._done[key] = value  # before its items: it may hold itself
        self._done[key] = result = self._replace(value)
        return result

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
        elif type(value) is set:
            return {self(item) for item in value}
        return value

    def _mapping(self, value: dict[Any, Any]) -> Any:
        items = [(self(key), self(item)) for key, item in value.items()]
        kind = getattr(value, "__dict__", {}).pop(_MARK, None)
        if kind is dict:
            return dict(items)
        if kind is ConfigDict:
            return ConfigDict(dict(items))
        value.clear()
        value.update(items)
        return value
