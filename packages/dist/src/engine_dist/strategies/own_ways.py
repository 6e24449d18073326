"""Whether a strategy builds, holds or saves in a way of its own, as one that was written for MMEngine."""

from __future__ import annotations

import inspect
from typing import Any

from engine_dist.strategies.surface import BaseStrategy

__all__ = ["has_own", "holds_by_itself"]

# what such a class may define, and the parameter by which it would be one of this package's way
_WAYS: dict[str, str | None] = {
    "prepare": "make_optimizer",
    "save_checkpoint": "path",
    "load_checkpoint": "like",
    "model_state_dict": "model",
    "load_model_state_dict": "model",
    **dict.fromkeys((
        "resume", "load_or_resume", "build_model", "build_optim_wrapper", "build_param_scheduler",
        "compile_model", "optim_state_dict", "scheduler_state_dict", "load_optim_state_dict",
        "load_scheduler_state_dict", "_scale_lr",
    )),
}  # fmt: skip


def holds_by_itself(strategy: Any) -> bool:
    """Tell whether a strategy is to be given configurations, and to hold what comes of them."""
    return isinstance(strategy, BaseStrategy) and any(has_own(strategy, name) for name in _WAYS)


def has_own(strategy: Any, name: str) -> bool:
    """Tell whether a strategy's class has a method of MMEngine's form that is not this package's."""
    owner = next((kind for kind in type(strategy).__mro__ if name in vars(kind)), None)
    if owner is None or owner.__module__.split(".")[0] == __name__.split(".")[0]:
        return False
    return _WAYS[name] not in inspect.signature(getattr(owner, name)).parameters
