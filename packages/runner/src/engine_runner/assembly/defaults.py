"""Configurations completed with what need not be written."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

__all__ = ["DEFAULT_HOOKS", "with_default"]

DEFAULT_HOOKS: dict[str, Any] = {
    "runtime_info": {"type": "RuntimeInfoHook"},
    "timer": {"type": "IterTimerHook"},
    "sampler_seed": {"type": "DistSamplerSeedHook"},
    "logger": {"type": "LoggerHook"},
    "param_scheduler": {"type": "ParamSchedulerHook"},
    "checkpoint": {"type": "CheckpointHook", "interval": 1},
    "progress": {"type": "ProgressHook"},
}


def with_default(value: Mapping[str, Any], **defaults: Any) -> Any:
    """Return a copy that has more; a copy knows, as the original, where it was written."""
    completed: Any = copy(value)
    for key, default in defaults.items():
        completed.setdefault(key, default)
    return completed
