"""The loops of a run."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from engine_registry import LOOPS, build_as
from engine_runner.assembly.defaults import with_default
from engine_runner.loops import BaseLoop
from engine_runner.protocols import RunnerLike, TrainLoop

__all__ = ["as_loop", "as_train_loop"]

_COUNTS = ("epoch", "iter", "max_epochs", "max_iters")


def as_loop(value: Any, default_type: str, runner: RunnerLike, **parts: Any) -> BaseLoop:
    """Return a loop from one, or from a configuration that need not name its type."""
    if value is None or isinstance(value, Mapping):
        value = with_default({} if value is None else value, type=default_type)
    return build_as(LOOPS, value, BaseLoop, runner=runner, **parts)


def as_train_loop(value: Any, runner: RunnerLike, dataloader: Any) -> TrainLoop:
    """Return a training loop; ``by_epoch`` chooses between the two where no type is named.

    Raises
    ------
    TypeError
        If it does not say how far it is and how long it is.
    """
    if isinstance(value, Mapping) and "type" not in value:
        value = copy(value)
        by_epoch = value.pop("by_epoch", "max_iters" not in value)
        value["type"] = "EpochBasedTrainLoop" if by_epoch else "IterBasedTrainLoop"
    loop: Any = build_as(LOOPS, value, BaseLoop, runner=runner, dataloader=dataloader)
    if lacking := [name for name in _COUNTS if not hasattr(loop, name)]:
        raise TypeError(
            f"train_cfg names {type(loop).__name__}, which is no training loop: it has no "
            f"{', '.join(lacking)}; derive it from TrainLoop, EpochBasedTrainLoop or "
            "IterBasedTrainLoop, or give it these as properties"
        )
    trains: TrainLoop = loop
    return trains
