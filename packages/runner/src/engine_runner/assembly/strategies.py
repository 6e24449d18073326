"""Where the model is to live."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from engine_dist.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
from engine_registry import STRATEGIES, build_as

__all__ = ["as_strategy", "strategy_of_launcher", "wrapper_for"]


def strategy_of_launcher(launcher: str, settings: Mapping[str, Any]) -> Strategy:
    """Return the strategy for a launcher: one device, or data parallelism over the processes.

    Parameters
    ----------
    launcher : str
        Who started the processes, or ``none``.
    settings : Mapping
        A run's configuration, of which ``model_wrapper_cfg`` counts and, without it,
        ``find_unused_parameters``; and ``sync_bn``.
    """
    if launcher == "none":
        return SingleDeviceStrategy()
    wrapper = settings.get("model_wrapper_cfg")
    if wrapper is None:
        wrapper = {"find_unused_parameters": settings.get("find_unused_parameters", False)}
    return DDPStrategy(wrapper, settings.get("sync_bn"))


def as_strategy(value: Any, launcher: str) -> Strategy:
    """Return a strategy from one, from its configuration, or by default for a launcher."""
    if value is None:
        return strategy_of_launcher(launcher, {})
    return build_as(STRATEGIES, value, Strategy)


def wrapper_for(strategy: Strategy, value: Any) -> Any:
    """Return the settings of an optimizer wrapper; without a type, of the one a strategy needs."""
    needed = strategy.optim_wrapper_type
    if needed is None or not isinstance(value, Mapping):
        return value
    if "type" in value or "optimizer" not in value:  # the latter are several, by name
        return value
    settings: Any = copy(value)  # a copy knows, as the original, where it was written
    settings["type"] = needed
    return settings
