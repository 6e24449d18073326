"""The schedules of torch.optim.lr_scheduler behind this package's interface."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from torch.optim import lr_scheduler

from engine_optim.errors import ScheduleError
from engine_optim.schedulers.scheduler import INF, _ParamScheduler
from engine_registry import PARAM_SCHEDULERS

__all__ = ["TorchLR"]


@PARAM_SCHEDULERS.register_module()
class TorchLR(_ParamScheduler):
    """Any schedule of ``torch.optim.lr_scheduler``, begun at ``begin``.

    Parameters
    ----------
    scheduler
        Its class, or its name in ``torch.optim.lr_scheduler``.
    monitor
        The measurement that ``ReduceLROnPlateau`` is given.
    **kwargs
        What the class takes beside the optimizer.

    It is made when its range begins, since most of these set a value when made. Its settings
    count steps as they are: where steps become iterations, only ``begin`` and ``end`` are
    converted.
    """

    _unsaved = frozenset({"optimizer", "_make", "inner", "need_val_args"})

    def __init__(
        self,
        optimizer: Any,
        scheduler: str | Callable[..., Any],
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
        monitor: str = "loss",
        **kwargs: Any,
    ) -> None:
        make = _find(scheduler)
        target = getattr(optimizer, "optimizer", optimizer)
        _check_arguments(make, target, kwargs)
        self.need_val_args = make is lr_scheduler.ReduceLROnPlateau  # type: ignore[misc]  # per kind
        self.monitor = monitor
        self.inner: Any = None
        if last_step != -1:  # torch's releases differ in what last_epoch means to a first value
            raise ScheduleError(
                f"a schedule of torch continues by load_state_dict, not by last_step={last_step}"
            )
        self._make = lambda: make(target, **kwargs)
        super().__init__(optimizer, "lr", begin, end, last_step, by_epoch, verbose)

    def _initial_step(self) -> None:
        self._global_step += 1
        self._begin()

    def _begin(self) -> None:
        if self.inner is None and self.begin <= self._global_step < self.end:
            self.inner = self._make()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self.last_step += 1
            self._note()

    def _initial_values(self, groups: list[dict[str, Any]], last_step: int) -> list[float]:
        """Leave the groups alone: some of torch's schedules choose their initial value."""
        return [group["lr"] for group in groups]

    def step(self, metrics: Mapping[str, Any] | None = None) -> None:
        """Go one step on; ``metrics`` is for the kind that watches a measurement."""
        if self.need_val_args and metrics is None:
            return
        self._global_step += 1
        if not self.begin <= self._global_step < self.end:
            return
        if self.inner is None:
            self._begin()
            return
        self.last_step += 1
        with warnings.catch_warnings():  # it cannot see the steps that a wrapper makes
            warnings.filterwarnings("ignore", message=r"Detected call of `lr_scheduler\.step")
            self.inner.step(*self._measurement(metrics))
        self._note()

    def _measurement(self, metrics: Mapping[str, Any] | None) -> tuple[Any, ...]:
        if not self.need_val_args or metrics is None:
            return ()
        if self.monitor not in metrics:
            raise KeyError(
                f"the schedule watches {self.monitor!r}, but the measurements are "
                f"{sorted(metrics)}; set monitor= to one of them"
            )
        return (metrics[self.monitor],)

    def _note(self) -> None:
        self._last_value = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the state of this and of torch's schedule."""
        inner = None if self.inner is None else self.inner.state_dict()
        return {**super().state_dict(), "inner": inner}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; the learning rates come with the optimizer's."""
        super().load_state_dict(state_dict)
        if state_dict.get("inner") is None:
            return
        if self.inner is None:
            groups = self.optimizer.param_groups
            rates = [group["lr"] for group in groups]
            self.inner = self._make()  # type: ignore[no-untyped-call]  # as above
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
        self.inner.load_state_dict(state_dict["inner"])


def _find(scheduler: str | Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(scheduler, str):
        return scheduler
    found = getattr(lr_scheduler, scheduler, None) if scheduler in lr_scheduler.__all__ else None
    if found is None:
        raise ScheduleError(
            f"torch.optim.lr_scheduler has no {scheduler!r}; it has {sorted(lr_scheduler.__all__)}"
        )
    return found  # type: ignore[no-any-return]  # a member of the module


def _check_arguments(make: Callable[..., Any], target: Any, kwargs: dict[str, Any]) -> None:
    try:
        inspect.signature(make).bind(target, **kwargs)
    except TypeError as error:
        raise ScheduleError(f"{getattr(make, '__name__', make)}: {error}") from None


def _register(name: str) -> None:
    def init(self: TorchLR, optimizer: Any, **kwargs: Any) -> None:
        TorchLR.__init__(self, optimizer, name, **kwargs)

    doc = f"``torch.optim.lr_scheduler.{name}``."
    PARAM_SCHEDULERS.register_module(
        module=type(name, (TorchLR,), {"__init__": init, "__doc__": doc, "__module__": __name__})
    )


# Those whose names are not taken by schedules of our own; the rest by TorchLR(scheduler=name).
for _name in lr_scheduler.__all__:
    if _name not in ("LRScheduler", "SequentialLR", "ChainedScheduler") and (
        PARAM_SCHEDULERS.module_dict.get(_name) is None
    ):
        _register(_name)
