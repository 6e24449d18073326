"""Schedules whose values do not depend on the group's value before: restarts and one cycle."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Literal

from engine_optim.errors import ScheduleError
from engine_optim.schedulers import curves
from engine_optim.schedulers.scheduler import (
    INF,
    ParamGroupHolder,
    _ParamScheduler,
    check_range,
    floor_values,
)
from engine_registry import PARAM_SCHEDULERS

__all__ = ["CosineRestartParamScheduler", "OneCycleParamScheduler"]


@PARAM_SCHEDULERS.register_module()
class CosineRestartParamScheduler(_ParamScheduler):
    """Fall along a cosine in each of several periods, starting anew with a weight for each.

    Parameters
    ----------
    periods
        Lengths of the periods in steps; after the last one the value stays.
    restart_weights
        Share of the base value at which each period starts.
    eta_min, eta_min_ratio
        The floor: a value (or one a group), or a share of each group's base value; one of them
        must be given.
    """

    _endless = True

    epoch_fields = ("periods",)

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        periods: Sequence[int],
        restart_weights: Sequence[float] = (1,),
        eta_min: float | Sequence[float] | None = None,
        eta_min_ratio: float | None = None,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if (eta_min is None) == (eta_min_ratio is None):
            raise ScheduleError(
                f"give eta_min or eta_min_ratio, and one of them; got {eta_min!r} and "
                f"{eta_min_ratio!r}"
            )
        if len(periods) != len(restart_weights):
            raise ScheduleError(
                f"periods and restart_weights should have the same length, got {len(periods)} "
                f"and {len(restart_weights)}"
            )
        if not periods or min(periods) <= 0:
            raise ScheduleError(f"periods must be positive numbers of steps, got {periods!r}")
        self.periods = list(periods)
        self.restart_weights = restart_weights
        self.eta_min = eta_min
        self.eta_min_ratio = eta_min_ratio
        self.cumulative_periods = list(accumulate(periods))
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Sequence[float]:
        t = self.last_step
        index = self.get_position_from_periods(t, self.cumulative_periods)
        if index is None:
            return self.get_last_value()
        weight, period = self.restart_weights[index], self.periods[index]
        start = self.cumulative_periods[index] - period
        factor = curves.cosine(min(t - start, period), period)
        bases = self.base_values
        floors = floor_values(self.eta_min, self.eta_min_ratio, bases) or [0.0] * len(bases)
        return [
            floor + factor * (base * weight - floor)
            for floor, base in zip(floors, bases, strict=True)
        ]

    @staticmethod
    def get_position_from_periods(iteration: int, cumulative_periods: Sequence[int]) -> int | None:
        """Return which period a step lies in; None after the last one.

        >>> CosineRestartParamScheduler.get_position_from_periods(3, [2, 5])
        1
        """
        index = bisect_right(cumulative_periods, iteration)
        return index if index < len(cumulative_periods) else None


@PARAM_SCHEDULERS.register_module()
class OneCycleParamScheduler(_ParamScheduler):
    """Rise from a small value to ``eta_max`` and fall to a much smaller one, in one cycle.

    Parameters
    ----------
    eta_max
        The peak, a number or one a group.
    total_steps
        Length of the cycle; ``end - begin`` if not given.
    pct_start
        Share of the cycle that the rise takes.
    anneal_strategy
        ``"cos"`` or ``"linear"``.
    div_factor, final_div_factor
        The first value is ``eta_max / div_factor``, the last is the first ``/ final_div_factor``.
    three_phase
        Whether the fall goes back to the first value symmetrically before it goes on.
    """

    epoch_fields = ("total_steps",)
    _unsaved = frozenset({"optimizer", "_levels"})

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        eta_max: float | Sequence[float] = 0,
        total_steps: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        check_range(begin, end)
        if total_steps is None:
            total_steps = end - begin
        _check_cycle(total_steps, pct_start, anneal_strategy)
        self.eta_max = eta_max
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        self.total_steps = total_steps
        self.anneal_strategy: Literal["cos", "linear"] = anneal_strategy
        self.pct_start = pct_start
        self.three_phase = three_phase
        self._ends = _phase_ends(total_steps, pct_start, three_phase)
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _initial_values(self, groups: list[dict[str, Any]], last_step: int) -> list[float]:
        name = self.param_name
        peaks = floor_values(self.eta_max, None, [0.0] * len(groups)) or [0.0] * len(groups)
        for group, peak in zip(groups, peaks, strict=True):
            if last_step == -1:
                group[f"initial_{name}"] = peak / self.div_factor
                group[f"max_{name}"] = peak
                group[f"min_{name}"] = group[f"initial_{name}"] / self.final_div_factor
        values = super()._initial_values(groups, last_step)
        self._levels = self._find_levels(groups)
        return values

    def _find_levels(self, groups: list[dict[str, Any]]) -> list[list[float]]:
        back = ("initial",) if len(self._ends) == 3 else ()
        stages = ("initial", "max", *back, "min")
        return [[group[f"{stage}_{self.param_name}"] for stage in stages] for group in groups]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; MMEngine's names its curve and phases in its own way.

        The values between which the curve goes are the groups', whose state is loaded before.
        """
        state = dict(state_dict)
        if "_schedule_phases" in state:
            state["_ends"] = [phase["end_step"] for phase in state["_schedule_phases"]]
        curve = str(state.get("anneal_func", "")).removeprefix("_annealing_")
        if curve in ("cos", "linear"):
            state["anneal_strategy"] = curve
        super().load_state_dict(state)
        self._levels = self._find_levels(self.optimizer.param_groups)

    def _get_value(self) -> Sequence[float]:
        t = self.last_step
        if t > self.total_steps:
            raise ScheduleError(
                f"Tried to step {t + 1} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        return [
            curves.one_cycle(t, self._ends, levels, self.anneal_strategy)
            for levels in self._levels
        ]


def _check_cycle(total_steps: int, pct_start: float, anneal_strategy: str) -> None:
    if total_steps <= 0 or not isinstance(total_steps, int):
        raise ScheduleError(f"Expected positive integer total_steps, but got {total_steps}")
    if not 0 <= pct_start <= 1:
        raise ScheduleError(f"pct_start must be between 0 and 1, got {pct_start}")
    if anneal_strategy not in ("cos", "linear"):
        raise ScheduleError(
            f"anneal_strategy must be one of 'cos' or 'linear', got {anneal_strategy!r}"
        )


def _phase_ends(total_steps: int, pct_start: float, three_phase: bool) -> list[float]:
    rise = float(pct_start * total_steps) - 1
    if three_phase:
        return [rise, float(2 * pct_start * total_steps) - 2, total_steps - 1]
    return [rise, total_steps - 1]
