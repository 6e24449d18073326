"""``ConfigDict``: a dictionary read by attribute, that imports what is lazy when it is read."""

from __future__ import annotations

import copy
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, ModuleType
from typing import Any

from engine_config.errors import ConfigLimitError
from engine_config.near_names import MissingAttributeError, MissingKeyError
from engine_config.overriding.merge import DELETE_KEY, delete_of, merge
from engine_config.values.dict_origins import (
    DictOrigin,
    Record,
    WithOrigin,
    carry_origin,
    dict_origin,
    distrust,
    inherit_origin,
    set_dict_origin,
)
from engine_config.values.lazy_objects import LazyAttr, LazyObject, of_module
from engine_config.values.origins import Origin, Path

_LAZY = (LazyObject, LazyAttr)
_LISTS = (list, tuple)
# Past what ConfigDict makes of them: lazy values stay lazy, and no change is noted.
_get: Callable[[Any, Any], Any] = dict.__getitem__
_set: Callable[[Any, Any, Any], None] = dict.__setitem__
_items: Callable[[Any], Any] = dict.items
_values: Callable[[Any], Any] = dict.values
_MISSING: Any = object()


class ConfigDict(WithOrigin):
    """A dictionary whose keys are also attributes, at every level.

    Plain dictionaries put in become ``ConfigDict``, also within lists and tuples.  A value that a
    lazy-style config imports is imported when it is read.

    Examples
    --------
    >>> cfg = ConfigDict(model=dict(type="ResNet", depth=50))
    >>> cfg.model.depth
    50
    """

    __slots__ = ()

    lazy = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        set_dict_origin(self, None)
        try:
            _fill(self, args, kwargs)
        except RecursionError:
            raise too_deep() from None

    # ------------------------------------------------------------------ reading

    def __getattr__(self, name: str) -> Any:
        try:
            value = _get(self, name)
        except KeyError:
            raise MissingAttributeError(name, self) from None
        return value.build() if isinstance(value, _LAZY) else value

    def __getitem__(self, key: Any) -> Any:
        value = _get(self, key)
        return value.build() if isinstance(value, _LAZY) else value

    def __missing__(self, name: Any) -> Any:
        raise MissingKeyError(name, self)

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of a key, built if it is lazy, or the default."""
        return self.build_lazy(dict.get(self, key, default))

    def pop(self, key: Any, default: Any = None) -> Any:
        """Remove a key and return its value, built if it is lazy, or the default."""
        return self.build_lazy(dict.pop(self, key, default))

    def items(self) -> list[tuple[Any, Any]]:
        """Return the pairs of key and value as a list, lazy values built."""
        return [(key, self.build_lazy(value)) for key, value in _items(self)]

    def values(self) -> list[Any]:
        """Return the values as a list, lazy ones built."""
        return [self.build_lazy(value) for value in _values(self)]

    def __iter__(self) -> Iterator[Any]:
        # Defined in Python on purpose: ``dict(cfg)`` and ``**cfg`` then take the values through
        # ``__getitem__`` and so see them built.
        return dict.__iter__(self)

    def build_lazy(self, value: Any) -> Any:
        """Import ``value`` if it is lazy, else return it as it is."""
        return value.build() if isinstance(value, _LAZY) else value

    # ------------------------------------------------------------------ writing

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(
                f"{name!r} is a method of {type(self).__name__}; set it by cfg[{name!r}] = …"
            )
        self[name] = value

    def __setitem__(self, key: Any, value: Any) -> None:
        # ``cfg.a |= b`` puts in what is there already, and has noted what it changed
        kept = isinstance(value, ConfigDict) and dict.get(self, key) is value
        _set(self, key, hook(value))
        if not kept:
            _note(self, key)

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __delitem__(self, key: Any) -> None:
        if key not in self:
            raise MissingKeyError(key, self)
        super().__delitem__(key)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return the value of a key, which is set to the default where it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set keys; a dictionary over a dictionary updates it."""
        if len(args) > 1:
            raise TypeError(f"update takes at most one positional argument, got {len(args)}")
        for arg in args:
            distrust(self, arg)
        given = (_Raw(arg) if isinstance(arg, ConfigDict) else arg for arg in args)
        for key, value in dict(*given, **kwargs).items():
            old = dict.get(self, key)
            if isinstance(old, ConfigDict) and isinstance(value, dict):
                old.update(value)
            else:
                self[key] = value

    def merge(self, other: dict[Any, Any]) -> None:
        """Merge a dictionary in: ``_delete_`` counts, as where a config is merged over its base.

        A dictionary over something that is none replaces it.
        """
        distrust(self, other)
        new = ConfigDict(other)  # so that the values put in are ConfigDicts, too
        if delete_of(new, ()):
            self.clear()
        dict.pop(new, DELETE_KEY, None)
        merged = merge(new, self, replace=True)
        for key in new:
            _set(self, key, _get(merged, key))
        _note_merged(self, new)

    # ------------------------------------------------------------------ copying

    def copy(self) -> ConfigDict:
        """Return a shallow copy whose lazy values stay lazy."""
        return self.__copy__()

    def __copy__(self) -> ConfigDict:
        other: ConfigDict = type(self).__new__(type(self))
        dict.update(other, _items(self))  # as pairs: a ConfigDict would build what is lazy
        carry_origin(self, other)
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> ConfigDict:
        try:
            other: ConfigDict = deep_copy(self, memo)
        except RecursionError:
            raise too_deep() from None
        return other

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            return NotImplemented
        new = self.copy()
        distrust(new, other)
        for key, value in raw_items(other):
            old = dict.get(self, key)
            both = isinstance(old, ConfigDict) and isinstance(value, dict)
            new[key] = old | value if both else value
        return new

    def __ror__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            return NotImplemented
        return type(self)(other) | self

    def __eq__(self, other: object) -> bool:
        return dict.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return dict.__ne__(self, other)

    __hash__ = None  # type: ignore[assignment]  # as every dictionary

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _restore, (type(self), dict(_items(self)), dict_origin(self))

    def to_dict(self) -> dict[Any, Any]:
        """Return plain dictionaries, lists and tuples, lazy values as dotted names.

        They do not know any more where they came from, nor whether that is trusted.
        """
        try:
            return {key: _plain(value) for key, value in _items(self)}
        except RecursionError:
            raise too_deep() from None


def _fill(node: ConfigDict, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Put what a ConfigDict is made of into it."""
    for arg in args:
        if arg:
            for key, value in _items(arg) if isinstance(arg, dict) else _pairs(arg):
                _set(node, key, value if type(value) in ATOMS else hook(value))
            if type(arg) is not dict:
                inherit_origin(arg, node)
    for key, value in kwargs.items():
        _set(node, key, hook(value))


def too_deep() -> ConfigLimitError:
    """Return what to raise where values go on without end, or nearly so."""
    return ConfigLimitError(
        "the values are nested too deep, or hold themselves; make them flatter"
    )


# addict keeps these on the instance; on the class they cost nothing to make an instance.
for _name, _value in (("__frozen", False), ("__parent", None), ("__key", None)):
    setattr(ConfigDict, _name, _value)


def _note(node: ConfigDict, key: Any) -> None:
    """Remember which line of a program set a value of a config that came from a file."""
    origin = dict_origin(node)
    if origin is not None:
        set_dict_origin(node, origin.with_change((key,), caller()))
        try:
            give_origins(_get(node, key), Record(), (*origin.path, key))
        except RecursionError:  # ``cfg.a.b = cfg.a``
            raise too_deep() from None


def give_origins(value: Any, record: Record, path: Path = ()) -> None:
    """Give every dictionary of a value an origin where it has none yet, so that changes of it are known."""
    if isinstance(value, ConfigDict):
        if dict_origin(value) is None:
            set_dict_origin(value, DictOrigin(record, path))
        pairs: Iterable[tuple[Any, Any]] = _items(value)
    elif isinstance(value, _LISTS):
        pairs = enumerate(value)
    else:
        return
    for key, item in pairs:
        if type(item) not in ATOMS:
            give_origins(item, record, (*path, key))


def _note_merged(node: ConfigDict, new: dict[Any, Any]) -> None:
    """Remember which line of a program merged values into a config that came from a file."""
    if dict_origin(node) is None:
        return
    for key, value in _items(new):
        inner = _get(node, key)
        merged = isinstance(value, dict) and inner is not value and dict_origin(inner) is not None
        if merged and not dict.get(value, DELETE_KEY):
            _note_merged(inner, value)
        else:
            _note(node, key)


def calling_frame() -> FrameType:
    """Return the frame outside of this package that is running."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_HOMES):
        frame = frame.f_back
    return frame


def caller() -> Origin:
    """Return the line outside of this package that is running."""
    frame = calling_frame()
    return Origin(frame.f_code.co_filename, frame.f_lineno)


_HOMES = (__name__.partition(".")[0] + ".", "addict.")


def hook(value: Any) -> Any:
    """Turn plain dictionaries, also within lists and tuples, into ``ConfigDict``, modules lazy."""
    if type(value) in ATOMS:
        return value
    if type(value) is dict or type(value) is OrderedDict:  # a class of the user's own stays
        return ConfigDict(value)
    if type(value) is list or type(value) is tuple:
        return type(value)([hook(item) for item in value])
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(hook(item) for item in value)
    return of_module(value) if isinstance(value, ModuleType) else value


def shallow(value: dict[Any, Any]) -> ConfigDict:
    """Return a ConfigDict of the same values, as they are, without an origin."""
    node = ConfigDict.__new__(ConfigDict)
    set_dict_origin(node, None)
    # a dict is faster than its pairs; a ConfigDict would build what is lazy
    dict.update(node, value if type(value) is dict else _items(value))
    return node


def raw_items(node: dict[Any, Any]) -> Iterable[tuple[Any, Any]]:
    """Return the pairs with lazy values left lazy."""
    pairs: Iterable[tuple[Any, Any]] = _items(node)
    return pairs


class _Raw:
    """Shows ``dict.update`` a ConfigDict's values without building them."""

    def __init__(self, node: dict[Any, Any]) -> None:
        self._node = node

    def keys(self) -> Iterable[Any]:
        return dict.keys(self._node)

    def __getitem__(self, key: Any) -> Any:
        return _get(self._node, key)


def _pairs(arg: Any) -> Iterable[tuple[Any, Any]]:
    """Read what addict takes: one pair, or an iterable of pairs."""
    if isinstance(arg, tuple) and not isinstance(arg[0], tuple):
        return [(arg[0], arg[1])]
    return arg  # type: ignore[no-any-return]  # what dict() takes


def _restore(
    kind: type[ConfigDict], values: dict[Any, Any], origin: DictOrigin | None = None
) -> ConfigDict:
    node = kind()
    dict.update(node, values)
    set_dict_origin(node, origin)
    return node


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in _items(value)}
    if isinstance(value, _LAZY):
        return value.dotpath
    if type(value) is list or type(value) is tuple:
        return type(value)([_plain(item) for item in value])
    return value


def deep_copy(value: Any, memo: dict[int, Any]) -> Any:
    """Copy nested dictionaries and lists; everything else as ``copy.deepcopy`` does."""
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is not list and not isinstance(value, ConfigDict):
        return copy.deepcopy(value, memo)
    known = memo.get(id(value))
    if known is not None:
        return known
    if kind is list:
        items: list[Any] = []
        memo[id(value)] = items
        items.extend([deep_copy(item, memo) for item in value])
        return items
    node: Any = ConfigDict.__new__(kind)
    memo[id(value)] = node
    for key, item in _items(value):
        _set(node, key, item if type(item) in ATOMS else deep_copy(item, memo))
    carry_origin(value, node)
    return node


ATOMS = frozenset((str, int, float, bool, bytes, type(None), type, LazyObject, LazyAttr))
