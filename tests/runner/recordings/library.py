"""MMEngine or this engine, by the parts that a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

__all__ = ["ENGINE", "MMENGINE", "Library"]


class Library(NamedTuple):
    """Where a library keeps what recipes are made of; imported when it is asked for.

    Attributes
    ----------
    name : str
    homes : Mapping
        The module of each part, by the name that MMEngine's package has for it.
    timer : str
        The module whose clock times the iterations.
    """

    name: str
    homes: Mapping[str, str]
    timer: str

    def __call__(self, name: str) -> Any:
        """Return what stands under a name such as ``hooks.Hook``."""
        part, _, attribute = name.partition(".")
        module = import_module(self.homes[part])
        return getattr(module, attribute) if attribute else module


MMENGINE = Library(
    "mmengine",
    {
        part: f"mmengine.{part}"
        for part in (
            "config", "dist", "evaluator", "hooks", "logging", "model", "optim", "registry",
            "runner", "structures", "visualization",
        )
    },
    "mmengine.hooks.iter_timer_hook",
)  # fmt: skip

ENGINE = Library(
    "engine",
    {
        "config": "engine_config",
        "dist": "engine_dist",
        "evaluator": "engine_evaluator",
        "hooks": "engine_runner.hooks",
        "logging": "engine_runner.logging",
        "model": "engine_runner.model",
        "optim": "engine_optim",
        "registry": "engine_registry",
        "runner": "engine_runner",
        "structures": "engine_dataset",
        "visualization": "engine_runner.visualization",
    },
    "engine_runner.hooks.iter_timer",
)
