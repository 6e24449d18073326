"""What data may name: registered components, and what lies under allowed prefixes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType

from engine_config import is_trusted

from .context import allowed
from .override import Override

_AS_IT_IS = Override(allowed)


def restrict(*prefixes: str) -> Override[None]:
    """Resolve, inside the ``with`` block, only registered names and those under ``prefixes``.

    A config that was read untrusted is restricted to registered names even without this;
    inside the block its names may lie under the prefixes too.  A block inside another one
    narrows what is allowed, never widens it.

    Parameters
    ----------
    *prefixes : str
        Dotted paths of packages, modules or objects, such as ``torch.optim``.

    Raises
    ------
    TypeError
        If a prefix is no string.

    Examples
    --------
    >>> from engine_registry import Registry
    >>> tools = Registry("tool", scope="example")
    >>> with restrict("collections"):
    ...     tools.build(dict(type="collections.Counter"))
    Counter()
    >>> with restrict("collections"):
    ...     tools.build(dict(type="os.system", command="ls"))
    Traceback (most recent call last):
    ...
    engine_registry.errors.RefusedNameError: ...
    """
    given: tuple[object, ...] = prefixes
    if not all(isinstance(prefix, str) for prefix in given):
        raise TypeError(f"prefixes are strings, given one by one; got {given!r}")

    def narrowed(outer: tuple[str, ...] | None) -> tuple[str, ...]:
        return prefixes if outer is None else tuple(p for p in prefixes if is_under(p, outer))

    return Override(allowed, narrowed)


def untrusted() -> Override[None]:
    """Restrict names inside the block as for data; what a caller has allowed stays allowed."""
    return Override(allowed, lambda outer: outer or ())


def guard(cfg: object) -> Override[None]:
    """Restrict names inside the block as data's, if ``cfg`` was read untrusted.

    Building from a config does so by itself.  This is for code that takes one apart: what is
    copied out of it, as ``dict(**cfg)`` or a bare name, does not know where it came from.

    Examples
    --------
    >>> from engine_config import ConfigDict
    >>> from engine_registry import Registry
    >>> tools = Registry("tool", scope="example")
    >>> def build(cfg):
    ...     with guard(cfg):
    ...         return tools.build({"type": "collections.Counter", **cfg})
    >>> build(ConfigDict(a=3))
    Counter({'a': 3})
    """
    return _AS_IT_IS if is_trusted(cfg) else untrusted()


def is_under(path: str, prefixes: Iterable[str]) -> bool:
    """Tell whether a dotted path is one of the prefixes or lies below one."""
    return any(path == prefix or path.startswith(f"{prefix}.") for prefix in prefixes)


def own_path(found: object) -> str | None:
    """Return module and name that an object has of itself, if it can be found there again."""
    module = getattr(found, "__module__", None)
    name = getattr(found, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    return f"{module}.{name}" if peek(f"{module}.{name}") is found else None


def peek(path: str) -> object | None:
    """Resolve a dotted path among the modules that are imported already, running no code."""
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        found: object = sys.modules.get(".".join(parts[:length]))
        if isinstance(found, ModuleType):
            for part in parts[length:]:
                found = vars(found).get(part) if isinstance(found, ModuleType | type) else None
            return found
    return None
