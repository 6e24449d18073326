"""The one door by which "object, class, config or name" becomes an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from engine_config import Config

from .places import config_origin
from .registry import Registry
from .search import holds

V = TypeVar("V")


def build_as(
    registry: Registry[Any],
    value: Any,
    kind: Callable[..., V],
    /,
    **default_args: Any,
) -> V:
    """Return ``value`` as a ``kind``: itself, or built from a class, a config or a name.

    Parameters
    ----------
    registry : Registry
        Where names are looked for.
    value : object
        An instance of ``kind``, a subclass of it, a config with ``type``, or a name: one that
        is registered, or the import path of a subclass.
    kind : type
        What the result is an instance of; it may be abstract.
    **default_args
        Arguments for what is built; a config may override them.

    Raises
    ------
    TypeError
        If ``value``, or what was built of it, is anything else.

    Examples
    --------
    >>> from engine_registry import Registry
    >>> NUMBERS = Registry[complex]("number", scope="example")
    >>> NUMBERS.register_module(module=complex)
    <class 'complex'>
    >>> build_as(NUMBERS, "complex", complex, real=1.0, imag=2.0)
    (1+2j)
    >>> build_as(NUMBERS, 1 + 2j, complex)
    (1+2j)
    """
    expected: type[V] = kind  # type: ignore[assignment]  # an abstract class is a Callable only
    if isinstance(value, expected):
        return value
    built = _build(registry, value, expected, default_args)
    if isinstance(built, expected):
        return built
    got = type(built).__name__ if built is not value else _describe(value)
    origin = config_origin(value, "type")
    raise TypeError(
        f"expected {expected.__name__}: an instance, a subclass, a config with 'type' or a name "
        f"of registry {registry.name!r}; got {got}{'' if built is value else f' from {value!r}'}"
        f"{f' ({origin})' if origin else ''}"
    )


def _build(
    registry: Registry[Any], value: Any, expected: type[object], default_args: dict[str, Any]
) -> object:
    cfg = value
    if isinstance(value, str):
        found = registry.resolve(value)
        # A bare name cannot tell whether data gave it, so that nothing else is called by one.
        if not (_is_subclass(found, expected) or holds(registry, found)):
            return value
        cfg = {"type": value}
    elif _is_subclass(value, expected):
        cfg = {"type": value}
    elif not isinstance(value, dict | Config):
        return value
    # Not every build_func knows default_args.
    return registry.build(cfg, default_args=default_args) if default_args else registry.build(cfg)


def _is_subclass(value: object, expected: type[object]) -> bool:
    return isinstance(value, type) and issubclass(value, expected)


def _describe(value: object) -> str:
    return f"the class {value.__qualname__}" if isinstance(value, type) else repr(value)
