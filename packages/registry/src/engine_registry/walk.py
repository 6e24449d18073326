"""The walk through a config that a check makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from engine_config import ConfigError, LazyAttr, LazyObject

from .annotations import fits, spelled
from .build import build_scheduler_from_cfg, is_class_or_function, raw_items
from .context import allowed
from .errors import RefusedNameError
from .faults import Fault, fault
from .registry import Registry
from .roots import HOOKS, ROOTS
from .scope import DefaultScope
from .search import search_default
from .signatures import Parameters, parameters_of
from .suggestions import nearest, unknown

Path = tuple[str, ...]


class Settings(NamedTuple):
    """What a check was given; see :func:`find_faults`."""

    registry: Registry[Any] | None
    sections: Mapping[str, Registry[Any]]
    supplied: Mapping[str, Collection[str]]
    defaults: Mapping[str, str]
    ignore: tuple[str, ...]

    def section(self, path: Path) -> Registry[Any] | None:
        """Return the one registry that the component at a path is looked for in."""
        return next((r for p, r in self.sections.items() if matches(p, path)), None)

    def kind(self, node: Mapping[str, Any], path: Path) -> Any:
        """Return the ``type`` of a dictionary, given or by default; None if it is no component."""
        given = dict(raw_items(node)).get("type")
        default = next((name for p, name in self.defaults.items() if matches(p, path)), None)
        return default if given is None else given

    def builders(self, path: Path, registry: Registry[Any] | None) -> set[str]:
        """Return the keys that are said to the builder, or that it supplies."""
        names = {n for p, given in self.supplied.items() if matches(p, path) for n in given}
        if registry is not None and registry.build_func is build_scheduler_from_cfg:
            names |= {"convert_to_iter_based", "epoch_length"}
        if registry is not None and registry.root is HOOKS:
            names.add("priority")
        return names


def matches(pattern: str, path: Path) -> bool:
    """Tell whether a path is as a pattern says.

    >>> matches("param_scheduler.*", ("param_scheduler", "0"))
    True
    """
    parts = pattern.split(".")
    return len(parts) == len(path) and all(
        part in ("*", have) for part, have in zip(parts, path, strict=True)
    )


def walk(
    settings: Settings, node: Any, path: Path, registry: Registry[Any] | None
) -> Iterator[Fault]:
    """Yield the faults of a value and of what is in it; ``registry`` is that of what holds it."""
    if any(matches(pattern, path) for pattern in settings.ignore):
        return
    if isinstance(node, Mapping):
        kind = settings.kind(node, path)
        if isinstance(kind, str | LazyObject | LazyAttr) or is_class_or_function(kind):
            faults, registry = _component(settings, kind, node, path, registry)
            yield from faults
        elif kind is not None and settings.section(path) is not None:
            yield fault(node, path, "type", f"type must be a name or a class, got {kind!r}")
        for key, value in raw_items(node):
            yield from walk(settings, value, (*path, str(key)), registry)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from walk(settings, value, (*path, str(index)), registry)


def _component(
    settings: Settings, kind: Any, node: Mapping[str, Any], path: Path, outer: Registry[Any] | None
) -> tuple[list[Fault], Registry[Any] | None]:
    """Return the faults of a component itself, and the registry that what it holds is in."""
    section = settings.section(path)
    first = [r for r in (outer, settings.registry) if r is not None]
    registries = [section] if section else list(dict.fromkeys((*first, *ROOTS.values())))
    scope = dict(raw_items(node)).get("_scope_")
    with DefaultScope.overwrite_default_scope(scope if isinstance(scope, str) else None):
        try:
            found, registry, failed = _find(kind, registries)
        except (RefusedNameError, ConfigError) as error:
            return [fault(node, path, "type", str(error))], section or outer
    if found is None:
        known = registries if section is None else []
        message = "\n  ".join((str(unknown(registries[0], kind, also=known)), *failed))
        return [fault(node, path, "type", message)], section or outer
    builders = settings.builders(path, registry)
    faults = [fault(node, path, *one) for one in _misfits(found, node, builders)]
    return faults, section or registry or outer


def _find(
    kind: Any, registries: list[Registry[Any]]
) -> tuple[Callable[..., Any] | None, Registry[Any] | None, list[str]]:
    """Return what a ``type`` stands for, the registry that has it, and what failed on the way."""
    if isinstance(kind, LazyObject | LazyAttr):
        # Data may not import: where names are restricted it is looked up as any other name.
        kind = kind.build() if allowed.get() is None else kind.dotpath
    if not isinstance(kind, str):
        return registries[0].resolve(kind), None, []
    failed: dict[str, None] = {}
    for registry in registries:
        try:
            found = search_default(registry, kind)
        except ImportError as error:
            failed[f"an import failed on the way: {type(error).__name__}: {error}"] = None
            continue
        if found is not None:
            return found, registry, []
    return None, None, list(failed)


def _misfits(
    found: Callable[..., Any], node: Mapping[str, Any], builders: Collection[str]
) -> Iterator[tuple[str | None, str]]:
    """Yield the key, if one is to blame, and what is wrong with the arguments."""
    parameters = parameters_of(found)
    if parameters is None:
        return
    name = getattr(found, "__name__", repr(found))
    items = dict(raw_items(node))
    for key, value in items.items():
        message = (
            None if key in {"type", "_scope_", *builders} else _misfit(key, value, parameters)
        )
        if message:
            yield key, f"{name} {message}"
    for key, parameter in parameters.named.items():
        if parameter.default is parameter.empty and key not in items and key not in builders:
            kind = "" if parameter.annotation is parameter.empty else spelled(parameter.annotation)
            yield None, f"{name} needs {key!r}{f' ({kind})' if kind else ''}"


def _misfit(key: str, value: Any, parameters: Parameters) -> str | None:
    parameter = parameters.named.get(key)
    if parameter is not None:
        return _mistyped(value, parameter)
    if not parameters.closed:
        return None
    near = nearest(key, parameters.named, 1)
    meant = f", did you mean {near[0]!r}?" if near else "."
    return f"takes no {key!r}{meant} It takes: {', '.join(parameters.named) or 'nothing'}"


def _mistyped(value: Any, parameter: inspect.Parameter) -> str | None:
    hint = parameter.annotation
    if hint is parameter.empty or value is parameter.default or fits(value, hint):
        return None
    return f"takes {spelled(hint)} as {parameter.name!r}, got {value!r}"
