"""The hooks of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from engine_registry import HOOKS, build_as
from engine_runner.assembly.defaults import DEFAULT_HOOKS
from engine_runner.hooks.dispatch import HookList
from engine_runner.hooks.hook import Hook

__all__ = ["add_default_hooks", "add_hook", "add_hooks"]


def add_default_hooks(hooks: HookList, changes: Mapping[str, Any] | None) -> None:
    """Add the default hooks, changed by name; None leaves one out."""
    add_hooks(hooks, {**DEFAULT_HOOKS, **(changes or {})}.values())


def add_hooks(hooks: HookList, values: Iterable[Any]) -> None:
    """Add hooks, or the configurations of some; None is left out."""
    for value in values:
        if value is not None:
            add_hook(hooks, value)


def add_hook(hooks: HookList, value: Any, priority: Any = None) -> None:
    """Add one hook; a configuration may hold its ``priority``."""
    if isinstance(value, Mapping):
        value = copy(value)
        configured = value.pop("priority", None)
        priority = configured if priority is None else priority
    hooks.add(build_as(HOOKS, value, Hook), priority)
