"""Checking a whole config against the signatures of what it names; nothing is built."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from engine_config import ConfigLimitError

from .build import as_node
from .errors import ConfigCheckError
from .faults import Fault
from .registry import Registry
from .scope import DefaultScope
from .trust import guard
from .walk import Settings, walk


def check(
    cfg: Any,
    registry: Registry[Any] | None = None,
    *,
    sections: Mapping[str, Registry[Any]] | None = None,
    supplied: Mapping[str, Collection[str]] | None = None,
    defaults: Mapping[str, str] | None = None,
    ignore: Collection[str] = (),
) -> None:
    """Raise one error with all faults of a config, see :func:`find_faults`.

    Raises
    ------
    ConfigCheckError
        If there are any; its ``faults`` holds them.

    Examples
    --------
    >>> NETS = Registry[object]("net", scope="example")
    >>> @NETS.register_module()
    ... class Net:
    ...     def __init__(self, depth: int, width: int = 8) -> None: ...
    >>> check({"net": {"type": "Net", "depth": 3}}, NETS)
    >>> check({"net": {"type": "Net", "dept": 3}}, NETS)
    Traceback (most recent call last):
    ...
    engine_registry.errors.ConfigCheckError: the config has 2 faults:
      net.dept: Net takes no 'dept', did you mean 'depth'? It takes: depth, width
      net: Net needs 'depth' (int)
    """
    faults = find_faults(
        cfg, registry, sections=sections, supplied=supplied, defaults=defaults, ignore=ignore
    )
    require_none(faults)


def require_none(faults: Sequence[Fault]) -> None:
    """Raise one error with all faults that a check found, if there are any.

    Raises
    ------
    ConfigCheckError
    """
    if faults:
        number = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = "".join(f"\n{fault}" for fault in faults).replace("\n", "\n  ")
        raise ConfigCheckError(f"the config has {number}:{lines}", tuple(faults))


def find_faults(
    cfg: Any,
    registry: Registry[Any] | None = None,
    *,
    sections: Mapping[str, Registry[Any]] | None = None,
    supplied: Mapping[str, Collection[str]] | None = None,
    defaults: Mapping[str, str] | None = None,
    ignore: Collection[str] = (),
) -> list[Fault]:
    """Return the faults of every component that a config names, in the order of the config.

    A component is a dictionary with the key ``type``.  Faults are unknown and refused names,
    and arguments that are unknown, missing, or of another type than a plain annotation says.
    Patterns are dotted paths in which ``*`` stands for one part.

    Parameters
    ----------
    cfg : dict, ConfigDict or Config
        The config, or the config of one component.
    registry : Registry, optional
        Where names are looked for, before all root registries.
    sections : mapping of str to Registry, optional
        By pattern, the one registry that a component's name is looked for in.  Those nested in
        it are looked for there first.
    supplied : mapping of str to collection of str, optional
        By pattern, what the builder gives or takes itself: neither missing nor unknown.
    defaults : mapping of str to str, optional
        By pattern, the ``type`` of a dictionary that has none.
    ignore : collection of str, optional
        Patterns of dictionaries whose ``type`` names no component; also those below are left.
    """
    node = as_node(cfg)
    settings = Settings(registry, sections or {}, supplied or {}, defaults or {}, tuple(ignore))
    with ExitStack() as stack:
        stack.enter_context(guard(node))
        scope = dict.get(node, "default_scope")
        if isinstance(scope, str):
            stack.enter_context(DefaultScope.overwrite_default_scope(scope))
        faults: Iterator[Fault] = walk(settings, node, (), registry)
        try:
            return list(faults)
        except RecursionError:
            raise ConfigLimitError(
                "the config is nested too deep to be checked, or holds itself; make it flatter"
            ) from None
