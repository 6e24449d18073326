"""What every schedule shares: its range of steps, its memory of the step, writing the values."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import torch

from engine_optim.errors import ScheduleError
from engine_optim.schedulers.step_watch import StepWatch

__all__ = ["INF", "FactorScheduler", "ParamGroupHolder", "_ParamScheduler"]

INF = int(1e9)
logger = logging.getLogger("engine.optim")

ParamGroup = dict[str, Any]
_S = TypeVar("_S", bound="_ParamScheduler")


class ParamGroupHolder(Protocol):
    """What a schedule acts on: a torch optimizer or one of the optimizer wrappers."""

    @property
    def param_groups(self) -> list[ParamGroup]:
        """One dict of settings a group."""


def check_range(begin: int, end: int) -> None:
    """Raise `ScheduleError` unless ``0 <= begin < end``."""
    if begin < 0:
        raise ScheduleError(f"begin of a schedule must not be negative, got begin={begin}")
    if end <= begin:
        raise ScheduleError(
            f"end should be larger than begin, but got begin={begin}, end={end}: "
            "the schedule would never act"
        )


class _ParamScheduler:
    """Set one named setting of every parameter group, step by step, between ``begin`` and ``end``.

    Parameters
    ----------
    optimizer
        A torch optimizer or an optimizer wrapper.
    param_name
        The setting, such as ``"lr"``.
    begin, end
        The schedule acts at steps ``begin <= step < end``.
    last_step
        The last step that was done; -1 to start anew. Otherwise each group must hold
        ``initial_<param_name>``.
    by_epoch
        Whether a step is an epoch (for the caller that decides when to call `step`).
    verbose
        Whether each value that is set is logged.

    A subclass gives `_get_value`, the values of all groups at ``self.last_step``.
    """

    # Parameters that count epochs, which `build_iter_from_epoch` multiplies by the epoch's length.
    epoch_fields: ClassVar[tuple[str, ...]] = ()
    need_val_args: ClassVar[bool] = False
    # whether no value is reckoned from the end
    _endless: ClassVar[bool] = False
    _unsaved: ClassVar[frozenset[str]] = frozenset({"optimizer"})

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        groups = getattr(optimizer, "param_groups", None)
        if not isinstance(groups, list):
            raise TypeError(
                f"``optimizer`` should be an Optimizer or an optimizer wrapper with parameter "
                f"groups, but got {type(optimizer).__name__}; of several optimizers each takes "
                "schedules of its own"
            )
        check_range(begin, end)
        self.optimizer = optimizer
        self.param_name = param_name
        self.begin = begin
        self.end = end
        self.by_epoch = by_epoch
        self.base_values = self._initial_values(groups, last_step)
        self.last_step = last_step
        self._global_step = -1 if last_step == -1 else begin + last_step
        self.verbose = verbose
        self._last_value: list[float] = [_number(group[param_name]) for group in groups]
        self._stepped = StepWatch(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self.step()

    def _initial_values(self, groups: list[ParamGroup], last_step: int) -> list[float]:
        name, initial = self.param_name, f"initial_{self.param_name}"
        for index, group in enumerate(groups):
            if last_step == -1:
                if name not in group:
                    raise KeyError(
                        f"param_groups[{index}] has no {name!r}; it has "
                        f"{sorted(set(group) - {'params'})}"
                    )
                group.setdefault(initial, _number(group[name]))
            elif initial not in group:
                raise KeyError(
                    f"param {initial!r} is not specified in param_groups[{index}] when resuming "
                    f"an optimizer: load the optimizer's state first, or pass last_step=-1"
                )
        return [_number(group[initial]) for group in groups]

    @property
    def is_over(self) -> bool:
        """Whether the range is behind: the values are set no more."""
        return self._global_step >= self.end

    def step(self) -> None:
        """Go one step on and, within the range, set the values."""
        if self._global_step == 0:
            self._check_order()
        self._global_step += 1
        if not self.begin <= self._global_step < self.end:
            return
        self.last_step += 1
        self._write(self._get_value())

    @property
    def runs_on(self) -> bool:
        """Whether a later end changes no value before the end of now: the curve goes on behind it."""
        return self._endless

    def extend(self, end: int) -> None:
        """Let it run on to a later end, and make up the steps that it has let pass behind its own.

        Measurements that one has let pass are gone.
        """
        if end <= self.end:
            raise ScheduleError(f"end={end} is not later than the end of now, {self.end}")
        passed, self.end = self._global_step - self.end, end
        if passed < 0 or self.need_val_args:
            return
        self._global_step -= passed + 1
        for _ in range(passed + 1):
            self.step()

    def _check_order(self) -> None:
        """Warn, at the second value, of an optimizer that has made no step with the first."""
        if not self._stepped():
            warnings.warn(
                f"{type(self).__name__}.step() was called before the optimizer's first step: the "
                "first value of the schedule is skipped. Call the optimizer's step() first",
                UserWarning,
                stacklevel=3,
            )

    def _get_value(self) -> Sequence[float]:
        raise NotImplementedError(f"{type(self).__name__} must define _get_value")

    def _write(self, values: Sequence[float]) -> None:
        """Set the groups' values and remember them."""
        name = self.param_name
        for group, value in zip(self.optimizer.param_groups, values):  # noqa: B905 - hot
            if isinstance(group[name], torch.Tensor):  # a capturable optimizer reads it in place
                group[name].fill_(value)
            else:
                group[name] = value
        self._last_value = list(values)
        if self.verbose:
            for index, value in enumerate(values):
                self.print_value(True, index, value)

    def get_last_value(self) -> list[float]:
        """Return the values that were set last, one a group."""
        return self._last_value

    def print_value(self, is_verbose: bool, group: int, value: float) -> None:
        """Log the value that a group was given."""
        if is_verbose:
            logger.info(
                "Adjusting parameter value of group %s to %.4e.", group, value, stacklevel=2
            )

    def state_dict(self) -> dict[str, Any]:
        """Return all that the schedule remembers, without the optimizer."""
        unsaved = {*self._unsaved, "_stepped"}
        return {k: v for k, v in self.__dict__.items() if k not in unsaved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; entries that this schedule does not have are left out."""
        saved = state_dict.get("base_values")
        mine = getattr(self, "base_values", None)
        if saved is not None and mine is not None and len(saved) != len(mine):
            raise ScheduleError(
                f"the saved state of {type(self).__name__} is for {len(saved)} parameter groups, "
                f"but the optimizer has {len(mine)}; nothing was loaded"
            )
        known = set(self.__dict__) - {*self._unsaved, "_stepped"}
        self.__dict__.update({k: v for k, v in state_dict.items() if k in known})

    @classmethod
    def build_iter_from_epoch(
        cls: type[_S],
        *args: Any,
        begin: int = 0,
        end: int = INF,
        by_epoch: bool = True,
        epoch_length: int | None = None,
        **kwargs: Any,
    ) -> _S:
        """Build from settings that count epochs the schedule that counts iterations.

        Parameters
        ----------
        epoch_length
            Iterations in an epoch.
        """
        if not by_epoch:
            raise ScheduleError(
                "Only epoch-based settings (by_epoch=True) can be converted to iterations; "
                f"got by_epoch={by_epoch} for {cls.__name__}"
            )
        if not isinstance(epoch_length, int) or epoch_length <= 0:
            raise ScheduleError(f"epoch_length must be a positive integer, but got {epoch_length}")
        end = end if end == INF else end * epoch_length
        for name in cls.epoch_fields:
            if kwargs.get(name) is not None:
                kwargs[name] = _times(kwargs[name], epoch_length)
        kwargs.update(begin=begin * epoch_length, end=end, by_epoch=False)
        return cls(*args, **kwargs)


class FactorScheduler(_ParamScheduler):
    """A schedule whose value is ``floor + factor(step) * (initial - floor)``.

    The initial value is the one that the group had when the schedule began. Where somebody else
    (another schedule, a user) changed the group's value since, the change is kept: the initial
    value is recomputed from it, which is why schedules may overlap and multiply.

    A subclass sets its own attributes, then calls this class, and gives `factor_at`.
    """

    _unsaved: ClassVar[frozenset[str]] = frozenset({"optimizer", "_common", "_direct"})

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
        *,
        floors: Sequence[float] | None = None,
    ) -> None:
        self._floors: list[float] | None = list(floors) if floors is not None else None
        # initial - floor, one a group; None: to be found from the groups' values
        self._spans: list[float] | None = None
        self._last_factor = 1.0
        # the span and the floor of all groups, for as long as they are alike; None: to be found
        self._common: tuple[float, float] | Literal[False] | None = None
        # whether `step` may write the values itself: `_write` knows tensors and logs
        self._direct = False
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)
        self._direct = self._may_write([group[param_name] for group in optimizer.param_groups])

    def factor_at(self, t: int) -> float:
        """Return the factor at step ``t`` since `begin`; a pure function."""
        raise NotImplementedError

    def step(self) -> None:
        """Go one step on and, within the range, set the values."""
        step = self._global_step = self._global_step + 1
        if step == 1:
            self._check_order()
        if not self.begin <= step < self.end:
            return
        t = self.last_step = self.last_step + 1
        factor = self.factor_at(t)
        groups = self.optimizer.param_groups
        name = self.param_name
        if self._common and self._last_factor:  # after a factor of 0 all begins anew
            last = self._last_value[0]
            for group in groups:
                if group[name] != last:
                    break
            else:
                if factor != self._last_factor:
                    span, floor = self._common
                    value = floor + float(factor) * span
                    for group in groups:
                        group[name] = value
                    self._last_factor = factor
                    self._last_value = [value] * len(groups)
                return
        self._step_each(groups, factor, t)

    def _step_each(self, groups: list[ParamGroup], factor: float, t: int) -> None:
        """Set the values of groups that differ, or whose values somebody has changed."""
        name, spans = self.param_name, self._spans
        if spans is None or [group[name] for group in groups] != self._last_value:
            spans = self._find_spans(groups, t)
        elif factor == self._last_factor:
            return
        elif self._last_factor == 0.0:
            spans = self._spans_from(self.base_values)
        if spans is not self._spans:
            self._spans, self._common = spans, None
        if self._common is None:
            self._common = self._find_common(spans)
        self._last_factor = factor
        factor = float(factor)
        values = [factor * span for span in spans]
        if self._floors is not None:
            values = [floor + value for floor, value in zip(self._floors, values, strict=False)]
        if not self._direct:
            self._write(values)
            return
        self._last_value = values
        for group, value in zip(groups, values):  # noqa: B905 - hot
            group[name] = value

    def _find_common(self, spans: list[float]) -> tuple[float, float] | Literal[False]:
        """Return the span and the floor that all groups have; False where they differ."""
        floors = self._floors or [0.0]
        alike = self._direct and len({*spans}) == len({*floors}) == 1
        return (spans[0], floors[0]) if alike else False

    def _may_write(self, values: list[Any]) -> bool:
        own = type(self)._write is _ParamScheduler._write
        return own and not self.verbose and not any(isinstance(v, torch.Tensor) for v in values)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; from one of MMEngine's the initial values are found anew."""
        super().load_state_dict(state_dict)
        self._common = None
        if "_spans" not in state_dict:
            self._spans = None

    def _find_spans(self, groups: list[ParamGroup], t: int) -> list[float]:
        """Return (initial - floor) such that the values now are those of step ``t - 1``."""
        found = [group[self.param_name] for group in groups]
        self._direct = self._may_write(found)
        now = [_number(value) for value in found]
        before = self.factor_at(t - 1) if t else 1.0
        self._last_factor = before
        if before == 0.0:  # the values carry no trace of where they came from
            now = self.base_values
            before = 1.0
        return [span / before for span in self._spans_from(now)]

    def _spans_from(self, values: Sequence[float]) -> list[float]:
        if self._floors is None:
            return list(values)
        return [value - floor for value, floor in zip(values, self._floors, strict=False)]


def floor_values(
    eta_min: float | Sequence[float] | None, ratio: float | None, values: Sequence[float]
) -> list[float] | None:
    """Return the floor of each group from an absolute value (or one a group) or a ratio."""
    if eta_min is not None and ratio is not None:
        raise ScheduleError(
            f"eta_min and eta_min_ratio exclude each other, got {eta_min!r} and {ratio!r}"
        )
    if ratio is not None:
        return [value * ratio for value in values]
    if eta_min is None:
        return None
    if isinstance(eta_min, Sequence):
        if len(eta_min) != len(values):
            raise ScheduleError(
                f"eta_min has {len(eta_min)} values for {len(values)} parameter groups"
            )
        return [float(value) for value in eta_min]
    return [float(eta_min)] * len(values) if eta_min else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, torch.Tensor) else value


def _times(value: Any, factor: int) -> Any:
    if isinstance(value, Sequence):
        return [item * factor for item in value]
    return value * factor
