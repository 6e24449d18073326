"""Values of a config as JSON that runs no code, bounded in size and depth, and back."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any

from engine_config.errors import ConfigLimitError, ConfigSecurityError
from engine_config.strangers.operations import FUNCTIONS
from engine_config.values.origins import Origin, Origins

MAX_VALUES = 2_000_000
MAX_ANSWER = 2**26
MAX_DEPTH = 250  # of values together with what is within their keys
MAX_BITS = 14_000  # of a larger number Python shows no digits, so that no message could name it
# Keys whose hashes a text can choose: alike, they would make a table as slow as a list.
MAX_CHOSEN_KEYS = 500
_CHOSEN = (tuple, frozenset, complex, range, slice)
_MAKE: dict[str, Callable[[list[Any]], Any]] = {
    "list": list, "tuple": tuple, "set": set, "frozenset": frozenset,
    "dict": lambda items: dict(zip(items[::2], items[1::2], strict=True)),
    "range": lambda items: range(*items),
    "slice": lambda items: slice(*items),
    "complex": lambda items: complex(*items),
}  # fmt: skip
_TIMES = {one.__name__: one for one in (datetime.datetime, datetime.date, datetime.time)}


class _Encoder:
    left = MAX_VALUES
    chosen = 0

    def of(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        self.left -= 1
        if self.left < 0:
            raise ConfigLimitError(f"stands for more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise ConfigLimitError("nested too deep")
        if value is None or kind in (bool, float, str):
            return value
        if kind is int:
            return self.number(value)
        if isinstance(value, dict):
            self.count(value)
            items = [part for pair in dict.items(value) for part in pair]
            return ["dict", *(self.of(item, depth + 1) for item in items)]
        if kind in (list, tuple, set, frozenset):
            if kind in (set, frozenset):
                self.count(value)
            return [kind.__name__, *(self.of(item, depth + 1) for item in value)]
        return self.rare(kind, value)

    def number(self, value: int) -> Any:
        size = value.bit_length()
        if size > MAX_BITS:
            raise ConfigLimitError(f"a number of more than {MAX_BITS} bits; write it as text")
        return value if size < 1000 else ["int", hex(value)]  # decimals take their square in time

    def rare(self, kind: type, value: Any) -> Any:
        if kind in (range, slice):
            return [kind.__name__, *(self.of(x, 0) for x in (value.start, value.stop, value.step))]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if kind is bytes:
            return ["bytes", value.decode("latin-1")]
        if value is ...:
            return ["..."]
        if kind.__name__ in _TIMES and kind is _TIMES[kind.__name__]:
            return [kind.__name__, value.isoformat()]
        for name, function in FUNCTIONS.items():
            if function is value:
                return ["builtin", name]
        raise ConfigSecurityError(f"a {kind.__name__} is no plain value; leave it out")

    def count(self, keys: Iterable[Any]) -> None:
        for key in keys:
            large = type(key) is int and key.bit_length() > 60
            self.chosen += large or isinstance(key, _CHOSEN)
        if self.chosen > MAX_CHOSEN_KEYS:
            raise ConfigLimitError(
                f"has more than {MAX_CHOSEN_KEYS} keys that are tuples or large numbers; use strings"
            )


def encode(value: Any) -> Any:
    """Return a value as lists, strings and numbers."""
    return _Encoder().of(value)


def decode(said: Any) -> Any:
    """Return the value that was encoded."""
    if not isinstance(said, list):
        return said
    kind, *items = said
    if kind in _MAKE:
        return _MAKE[kind]([decode(item) for item in items])
    if kind in _TIMES:
        return _TIMES[kind].fromisoformat(items[0])
    if kind == "bytes":
        return items[0].encode("latin-1")
    if kind == "int":
        return int(items[0], 16)
    return ... if kind == "..." else FUNCTIONS[items[0]]


def encode_origins(value: Any, origins: Origins, files: dict[str, int]) -> Any:
    """Return the origins of a value and of all within it; files are told by number."""
    chain = [[files.setdefault(file, len(files)), line, col] for file, line, col in origins.chain]
    if isinstance(value, dict):
        pairs: Iterable[Any] = dict.items(value)
    else:
        pairs = enumerate(value) if isinstance(value, list | tuple) else ()
    within: list[Any] = []
    if origins.children is not None:
        for key, item in pairs:
            found = origins.find([key])
            if found is not None:
                within += [encode(key), encode_origins(item, found, files)]
    return [chain, None if origins.children is None else within]


def decode_origins(said: Any, files: list[str]) -> Origins:
    """Return the origins that were encoded."""
    chain, within = said
    children = None
    if within is not None:
        pairs = zip(within[::2], within[1::2], strict=True)
        children = {decode(key): decode_origins(inner, files) for key, inner in pairs}
    return Origins(tuple(Origin(files[file], line, col) for file, line, col in chain), children)
