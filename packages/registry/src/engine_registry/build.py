"""Building objects from configs; the one door by which "object or dict" becomes an object."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from engine_config import Config, ConfigDict, LazyAttr, LazyObject, is_trusted, values_of

from . import imports, places, trust
from .context import allowed


class RegistryLike(Protocol):
    """What is asked of a registry where something is built."""

    @property
    def name(self) -> str:
        """What it holds."""

    def get(self, key: str) -> Callable[..., Any] | None:
        """Return what a key stands for, None if nothing does."""

    def resolve(self, kind: Any, node: object = None) -> Callable[..., Any]:
        """Return the class or function that a config's ``type`` stands for."""

    def factory(self, kind: Any, node: object = None) -> Callable[..., Any]:
        """Return what makes the object that a config's ``type`` stands for."""

    def switch_scope_and_registry(
        self, scope: str | None
    ) -> AbstractContextManager[RegistryLike, None]:
        """Make a scope the default one inside the block, which gets that scope's registry."""


_LAZY = frozenset((LazyObject, LazyAttr))
_items: Callable[[dict[str, Any]], Iterable[tuple[str, Any]]] = dict.items


def build_from_cfg(
    cfg: Any, registry: RegistryLike, default_args: dict[str, Any] | None = None
) -> Any:
    """Build an object of the class or function that a config names by ``type``.

    An error of the constructor is raised as it is, with a note of what was being built and
    where the config says so.

    Parameters
    ----------
    cfg : dict, ConfigDict or Config
        ``type`` (a name, or the class itself), the constructor's arguments and, if the name
        is to be looked for in another scope, ``_scope_``.  It is not changed.
    registry : Registry
        Where names are looked for.
    default_args : dict, optional
        Arguments that the config may override.

    Raises
    ------
    TypeError
        If the config is not a dict, or ``type`` neither a name nor a class or function.
    KeyError
        If ``type`` is missing; as :class:`UnknownNameError` if nothing has that name.
    RefusedNameError
        If the config is not trusted, and what it names is not registered.
    """
    if type(cfg) is dict:
        args = cfg.copy()
    else:
        if type(cfg) is not ConfigDict:
            cfg = as_node(cfg)
        if not is_trusted(cfg) and allowed.get() is None:
            with trust.untrusted():
                return build_from_cfg(cfg, registry, default_args)
        args = plain(cfg, registry)
    if default_args is None:
        return make(args, registry, cfg)
    with trust.guard(default_args):
        return make(with_defaults(args, default_args), registry, cfg)


def make(args: dict[str, Any], registry: RegistryLike, node: dict[str, Any]) -> Any:
    """Call what ``type`` stands for with the other arguments; ``node`` is for messages."""
    if "_scope_" in args:
        require_registry(registry)
        with registry.switch_scope_and_registry(args.pop("_scope_")) as scoped:
            return make(args, scoped, node)
    kind = args.pop("type", None)
    if kind is None:
        raise without_type(registry, node)
    try:
        component = registry.factory(kind, node)
    except AttributeError:
        require_registry(registry)
        raise
    try:
        return component(**args)
    except Exception as error:
        annotate(error, kind, registry, node)
        raise


def as_node(cfg: Any) -> dict[str, Any]:
    """Return the dictionary of a config.

    Raises
    ------
    TypeError
        If it is not a config.
    """
    if isinstance(cfg, dict):
        return cfg
    if isinstance(cfg, Config):
        return values_of(cfg)
    raise TypeError(f"cfg should be a dict, ConfigDict or Config, got {type(cfg).__name__}")


def plain(node: dict[str, Any], registry: RegistryLike) -> dict[str, Any]:
    """Return a new dict of a config's items; lazy ones are imported if they may be named."""
    args = {}
    for key, value in _items(node):  # as they are: a lazy value is checked before it is built
        args[key] = _checked(value, registry) if type(value) in _LAZY else value
    return args


def with_defaults(args: dict[str, Any], default_args: object) -> dict[str, Any]:
    """Return arguments with defaults for those that are missing."""
    if default_args is None:
        return args
    if isinstance(default_args, Config):
        default_args = dict(default_args.items())
    if not isinstance(default_args, dict):
        raise TypeError(
            f"default_args should be a dict or None, got {type(default_args).__name__}"
        )
    return {**default_args, **args}


def raw_items(node: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    """Return keys and values without building lazy values: they may have to be checked before."""
    return dict.items(node) if isinstance(node, dict) else node.items()


def _checked(value: Any, registry: RegistryLike) -> Any:
    """Import what is lazy; where names are restricted, only what may be named."""
    require_registry(registry)
    if allowed.get() is None:
        return value.build()
    return registry.resolve(value.dotpath)


def without_type(registry: RegistryLike, node: object) -> KeyError:
    """Return the error for a config that does not say what it is of."""
    require_registry(registry)
    origin = places.config_origin(node)
    return KeyError(
        f"a config for registry {registry.name!r} needs the key 'type', got {node!r}"
        f"{f' at {origin}' if origin else ''}"
    )


def require_registry(registry: object) -> None:
    """Raise a TypeError for what is not a registry."""
    if not hasattr(registry, "factory"):
        raise TypeError(f"registry must be a Registry, got {type(registry).__name__}")


def annotate(error: Exception, kind: Any, registry: RegistryLike, node: object) -> None:
    """Note on a constructor's error what was being built, and where the config says so."""
    name = kind if isinstance(kind, str) else getattr(kind, "__qualname__", repr(kind))
    origin = places.config_origin(node)
    places.add_note(
        error,
        f"while building {name!r} of registry {registry.name!r}{f' ({origin})' if origin else ''}",
    )


def is_class_or_function(value: object) -> bool:
    """Tell whether a config's ``type`` may be this object."""
    return (
        isinstance(value, type) or inspect.isroutine(value) or isinstance(value, functools.partial)
    )


def build_model_from_cfg(
    cfg: Any, registry: RegistryLike, default_args: dict[str, Any] | None = None
) -> Any:
    """Build a module from a config, or a ``Sequential`` of modules from a list of configs."""
    if not isinstance(cfg, list):
        return build_from_cfg(cfg, registry, default_args)
    modules = [build_from_cfg(item, registry, default_args) for item in cfg]
    # By name, for torch is not imported here; where models are built it is there.
    sequential: Any = registry.get("Sequential")
    if sequential is None:
        sequential = imports.import_path("torch.nn.Sequential")
    if sequential is None:
        raise KeyError("a list of modules needs torch, or a 'Sequential' that is registered")
    return sequential(*modules)


def build_runner_from_cfg(cfg: Any, registry: RegistryLike) -> Any:
    """Build a runner by its ``from_cfg``; ``runner_type`` (default ``Runner``) names its class."""
    node = as_node(cfg)
    with trust.guard(node):
        items = plain(node, registry)
        kind = items.get("runner_type", "Runner")
        with registry.switch_scope_and_registry(items.get("_scope_")) as scoped:
            runner: Any = scoped.resolve(kind, node)
            try:
                return runner.from_cfg(cfg)
            except Exception as error:
                annotate(error, kind, registry, node)
                raise


def build_scheduler_from_cfg(
    cfg: Any, registry: RegistryLike, default_args: dict[str, Any] | None = None
) -> Any:
    """Build a parameter scheduler; a by-epoch one becomes by-iteration if the config says so.

    With ``convert_to_iter_based=True`` the class's ``build_iter_from_epoch`` is called, and
    ``epoch_length`` (iterations an epoch) is needed; otherwise ``epoch_length`` is dropped.

    Raises
    ------
    ValueError
        If what cannot be converted is to be converted.
    """
    node = as_node(cfg)
    with trust.guard(node), trust.guard(default_args):
        args = with_defaults(plain(node, registry), default_args)
        if not args.pop("convert_to_iter_based", False):
            args.pop("epoch_length", None)
            return make(args, registry, node)
        _require_convertible(args, node)
        with registry.switch_scope_and_registry(args.pop("_scope_", None)) as scoped:
            return _convert(args, scoped, node)


def _convert(args: dict[str, Any], registry: RegistryLike, node: dict[str, Any]) -> Any:
    kind = args.pop("type", None)
    if kind is None:
        raise without_type(registry, node)
    scheduler: Any = registry.resolve(kind, node)
    try:
        return scheduler.build_iter_from_epoch(**args)
    except Exception as error:
        annotate(error, kind, registry, node)
        raise


def _require_convertible(args: dict[str, Any], node: object) -> None:
    by_epoch, length = args.get("by_epoch", True), args.get("epoch_length")
    if not by_epoch or length is None:
        origin = places.config_origin(node, "convert_to_iter_based")
        raise ValueError(
            "convert_to_iter_based=True converts a scheduler of by_epoch=True and needs "
            f"epoch_length; got by_epoch={by_epoch!r} and epoch_length={length!r}"
            f"{f' at {origin}' if origin else ''}"
        )
