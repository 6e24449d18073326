"""What differs between two configs, by meaning: keys, not lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from engine_config.config import Config
from engine_config.overriding.merge import dotted
from engine_config.values.lazy_objects import LazyAttr, LazyObject
from engine_config.values.origins import Origin, Path
from engine_config.values.provenance import chain_of


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the same: its kind, its dotted key, both values and their origins."""

    kind: Literal["changed", "added", "removed"]
    key: str
    old: Any = None
    new: Any = None
    old_origin: Origin | None = None
    new_origin: Origin | None = None

    def __str__(self) -> str:
        if self.kind == "added":
            return f"+ {self.key} = {_shown(self.new)}{_at(self.new_origin)}"
        if self.kind == "removed":
            return f"- {self.key} = {_shown(self.old)}{_at(self.old_origin)}"
        old = f"{_shown(self.old)}{_at(self.old_origin)}"
        new = f"{_shown(self.new)}{_at(self.new_origin)}"
        return f"~ {self.key} = {old} -> {new}"


def differences(one: Config, other: Config) -> list[Difference]:
    """Return what is changed, added and removed from one config to another.

    Examples
    --------
    >>> old, new = Config(dict(a=1, b=dict(c=2))), Config(dict(b=dict(c=3, d=4)))
    >>> for difference in differences(old, new):
    ...     print(difference)
    - a = 1
    ~ b.c = 2 -> 3
    + b.d = 4
    """
    return list(_compare(one, other, one._cfg_dict, other._cfg_dict, ()))


def _compare(one: Config, other: Config, old: Any, new: Any, path: Path) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        a, b = dict(dict.items(old)), dict(dict.items(new))
        keys: Any = [*a, *(key for key in b if key not in a)]
    elif isinstance(old, list | tuple) and type(old) is type(new):
        a, b = dict(enumerate(old)), dict(enumerate(new))
        keys = range(max(len(old), len(new)))
    else:
        both_nan = old != old and new != new
        if type(old) is not type(new) or (old != new and not both_nan):
            origins = _origin(one, path), _origin(other, path)
            yield Difference("changed", dotted(path), old, new, *origins)
        return
    for key in keys:
        inner = (*path, key)
        if key not in b:
            yield Difference("removed", dotted(inner), a[key], None, _origin(one, inner))
        elif key not in a:
            yield Difference("added", dotted(inner), None, b[key], None, _origin(other, inner))
        else:
            yield from _compare(one, other, a[key], b[key], inner)


def _origin(cfg: Config, path: Path) -> Origin | None:
    chain = chain_of(cfg, path)
    return chain[-1] if chain else None


def _shown(value: Any) -> str:
    return value.dotpath if isinstance(value, LazyObject | LazyAttr) else repr(value)


def _at(origin: Origin | None) -> str:
    return "" if origin is None else f" ({origin})"
