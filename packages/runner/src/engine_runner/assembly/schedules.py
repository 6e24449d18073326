"""What changes learning rates and momenta."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engine_optim import BaseOptimWrapper, OptimWrapperDict
from engine_registry import PARAM_SCHEDULERS
from engine_runner.assembly.idle_schedule import idle_in

__all__ = ["Schedulers", "as_param_schedulers"]

Schedulers = list[Any] | dict[str, list[Any]]


class Length(Protocol):
    """What a schedule must know of the training that it is for."""

    dataloader: Any

    @property
    def max_epochs(self) -> int: ...
    @property
    def max_iters(self) -> int: ...


def as_param_schedulers(
    value: Any, optim_wrapper: BaseOptimWrapper | OptimWrapperDict, loop: Length
) -> Schedulers:
    """Return the schedules, a list for one optimizer or a dict of lists for several.

    A configuration without ``end`` runs to the end of training.
    """
    if isinstance(optim_wrapper, OptimWrapperDict):
        by_name = value if isinstance(value, Mapping) and "type" not in value else None
        return {
            name: _schedulers(value if by_name is None else by_name.get(name), wrapper, loop)
            for name, wrapper in optim_wrapper.items()
        }
    return _schedulers(value, optim_wrapper, loop)


def _schedulers(value: Any, optim_wrapper: Any, loop: Length) -> list[Any]:
    if value is None:
        return []
    several = isinstance(value, Sequence) and not isinstance(value, str)
    return [_scheduler(item, optim_wrapper, loop) for item in (value if several else [value])]


def _scheduler(value: Any, optim_wrapper: Any, loop: Length) -> Any:
    if not isinstance(value, Mapping):
        if not hasattr(value, "step"):
            raise TypeError(
                f"a parameter scheduler is a config with 'type' or has a step(), got "
                f"{type(value).__name__}"
            )
        return value
    by_epoch = value.get("by_epoch", True)
    default_args = {"optimizer": optim_wrapper, "epoch_length": _length(loop.dataloader)}
    if "end" not in value:
        default_args["end"] = end = loop.max_epochs if by_epoch else loop.max_iters
        if idle := idle_in(value, end):
            return idle
    return PARAM_SCHEDULERS.build(value, default_args=default_args)


def _length(dataloader: Any) -> int | None:
    try:
        return len(dataloader)
    except TypeError:
        return None
