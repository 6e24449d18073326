"""Schedules of any one setting whose value is a factor of the initial one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine_optim.errors import ScheduleError
from engine_optim.schedulers import curves
from engine_optim.schedulers.scheduler import (
    INF,
    FactorScheduler,
    ParamGroupHolder,
    check_range,
    floor_values,
)
from engine_registry import PARAM_SCHEDULERS

__all__ = [
    "ConstantParamScheduler",
    "CosineAnnealingParamScheduler",
    "ExponentialParamScheduler",
    "LinearParamScheduler",
    "MultiStepParamScheduler",
    "PolyParamScheduler",
    "StepParamScheduler",
    "WSDParamScheduler",
]


@PARAM_SCHEDULERS.register_module()
class ConstantParamScheduler(FactorScheduler):
    """Multiply by ``factor`` until the last step of the range, which restores the value."""

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        factor: float = 1.0 / 3,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        _check_share("factor", factor)
        self.factor = factor
        self.total_iters = end - begin - 1
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, t: int) -> float:
        """Return the factor at step ``t``."""
        return curves.constant(t, self.factor, self.total_iters)


@PARAM_SCHEDULERS.register_module()
class LinearParamScheduler(FactorScheduler):
    """Go in a straight line from ``start_factor`` to ``end_factor`` over the range.

    The last step of the range (``end - 1``) has the end's value.
    """

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        _check_share("start_factor", start_factor)
        _check_share("end_factor", end_factor)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = end - begin - 1
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, t: int) -> float:
        """Return the factor at step ``t``."""
        return curves.linear(t, self.start_factor, self.end_factor, self.total_iters)


@PARAM_SCHEDULERS.register_module()
class ExponentialParamScheduler(FactorScheduler):
    """Multiply by ``gamma`` every step."""

    _endless = True

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        gamma: float,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.gamma = gamma
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, t: int) -> float:
        """Return the factor at step ``t``."""
        return curves.exponential(t, self.gamma)


@PARAM_SCHEDULERS.register_module()
class StepParamScheduler(FactorScheduler):
    """Multiply by ``gamma`` every ``step_size`` steps."""

    _endless = True

    epoch_fields = ("step_size",)

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        step_size: int,
        gamma: float = 0.1,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if step_size <= 0:
            raise ScheduleError(f"step_size must be a positive number of steps, got {step_size}")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, t: int) -> float:
        """Return the factor at step ``t``."""
        return curves.staircase(t, self.step_size, self.gamma)


@PARAM_SCHEDULERS.register_module()
class MultiStepParamScheduler(FactorScheduler):
    """Multiply by ``gamma`` at each milestone (steps since ``begin``; twice named counts twice)."""

    _endless = True

    epoch_fields = ("milestones",)

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        milestones: Sequence[int],
        gamma: float = 0.1,
        last_step: int = -1,
        begin: int = 0,
        end: int = INF,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, t: int) -> float:
        """Return the factor at step ``t``."""
        return curves.multi_step(t, self.milestones, self.gamma)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; MMEngine's keeps the milestones as a count of each."""
        milestones = state_dict.get("milestones")
        if isinstance(milestones, dict):
            steps = sorted(step for step, times in milestones.items() for _ in range(times))
            state_dict = {**state_dict, "milestones": steps}
        super().load_state_dict(state_dict)


class _FlooredScheduler(FactorScheduler):
    """A schedule that falls to ``eta_min``, or to ``eta_min_ratio`` times the base value."""

    eta_min: float | Sequence[float] | None
    eta_min_ratio: float | None = None

    def _initial_values(self, groups: list[dict[str, Any]], last_step: int) -> list[float]:
        values = super()._initial_values(groups, last_step)
        self._floors = floor_values(self.eta_min, self.eta_min_ratio, values)
        return values

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; of one of MMEngine's the floors are found anew."""
        super().load_state_dict(state_dict)
        if "_floors" not in state_dict:
            self._floors = floor_values(self.eta_min, self.eta_min_ratio, self.base_values)


@PARAM_SCHEDULERS.register_module()
class CosineAnnealingParamScheduler(_FlooredScheduler):
    """Swing between the initial value and a floor, ``T_max`` steps from top to bottom.

    Parameters
    ----------
    T_max
        Half a period; the whole range if not given.
    eta_min, eta_min_ratio
        The floor: a value (or one a group), or a share of each group's base value.
    """

    epoch_fields = ("T_max",)

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        T_max: int | None = None,  # noqa: N803 - the public name
        eta_min: float | Sequence[float] | None = None,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
        eta_min_ratio: float | None = None,
    ) -> None:
        check_range(begin, end)
        self.T_max = T_max or end - begin
        self.eta_min = eta_min
        self.eta_min_ratio = eta_min_ratio
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, t: int) -> float:
        """Return the factor at step ``t``."""
        return curves.cosine(t, self.T_max)

    @property
    def runs_on(self) -> bool:
        """Whether it is for more steps, or fewer: past the bottom, which is its end, it would rise again."""
        return self.T_max != self.end - self.begin


@PARAM_SCHEDULERS.register_module()
class PolyParamScheduler(_FlooredScheduler):
    """Fall to ``eta_min`` at the last step of the range, along a power of the remaining share."""

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        eta_min: float | Sequence[float] = 0,
        power: float = 1.0,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        self.eta_min = eta_min
        self.power = power
        self.total_iters = end - begin - 1
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, t: int) -> float:
        """Return the factor at step ``t``."""
        return curves.poly(t, self.total_iters, self.power)


@PARAM_SCHEDULERS.register_module()
class WSDParamScheduler(_FlooredScheduler):
    """Warm up, stay, decay: rise for ``warmup`` steps, fall over the last ``decay`` ones.

    Parameters
    ----------
    warmup, decay
        Lengths in steps; the range from ``begin`` to ``end`` must hold both.
    start_factor, end_factor
        Where the rise starts and where the fall ends, as shares of the initial value.
    decay_type
        The shape of the fall: ``"linear"``, ``"cosine"`` or ``"sqrt"`` (1 - square root).
    """

    epoch_fields = ("warmup", "decay")

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        warmup: int,
        decay: int,
        end: int,
        start_factor: float = 0.0,
        end_factor: float = 0.0,
        decay_type: curves.Decay = "linear",
        begin: int = 0,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        check_range(begin, end)
        if min(warmup, decay) < 0 or warmup + decay > end - begin:
            raise ScheduleError(
                f"warmup={warmup} and decay={decay} must not be negative and must fit into the "
                f"{end - begin} steps from begin={begin} to end={end}"
            )
        if decay_type not in ("linear", "cosine", "sqrt"):
            raise ScheduleError(
                f"decay_type must be 'linear', 'cosine' or 'sqrt', got {decay_type!r}"
            )
        _check_share("start_factor", start_factor)
        _check_share("end_factor", end_factor)
        self.warmup = warmup
        self.decay = decay
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.decay_type = decay_type
        self.eta_min = None
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def factor_at(self, t: int) -> float:
        """Return the factor at step ``t``."""
        last = self.end - self.begin - 1
        return curves.warmup_stable_decay(
            t,
            self.warmup,
            last - self.decay,
            last,
            self.start_factor,
            self.end_factor,
            self.decay_type,
        )


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ScheduleError(f"{name} must be between 0 and 1, got {value}")
