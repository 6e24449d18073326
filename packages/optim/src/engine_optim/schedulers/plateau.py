"""The schedule that watches a measurement instead of the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from engine_optim.errors import ScheduleError
from engine_optim.schedulers.scheduler import INF, ParamGroupHolder, _number, _ParamScheduler
from engine_registry import PARAM_SCHEDULERS

__all__ = ["ReduceOnPlateauParamScheduler"]


@PARAM_SCHEDULERS.register_module()
class ReduceOnPlateauParamScheduler(_ParamScheduler):
    """Multiply by ``factor`` when a measurement has not improved for ``patience`` steps.

    Parameters
    ----------
    monitor
        Name of the measurement in what `step` is given.
    rule
        Whether ``"less"`` or ``"greater"`` is better.
    factor
        Below 1.
    patience
        Steps without improvement that are tolerated.
    threshold, threshold_rule
        How much counts as an improvement: ``"rel"`` is a share of the best, ``"abs"`` a difference.
    cooldown
        Steps after a reduction during which nothing is counted.
    min_value
        The least value, a number or one a group.
    eps
        A smaller change than this is not made.
    """

    _endless = True

    need_val_args: ClassVar[bool] = True

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        monitor: str = "loss",
        rule: Literal["less", "greater"] = "less",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_rule: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_value: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        _check_choice("rule", rule, ("less", "greater"))
        _check_choice("threshold_rule", threshold_rule, ("rel", "abs"))
        if factor >= 1.0:
            raise ScheduleError(f"Factor should be < 1.0, got {factor}")
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)
        self.factor = factor
        self.min_values = _one_each(min_value, len(self.base_values))
        self.patience = patience
        self.cooldown = cooldown
        self.cooldown_counter = 0
        self.eps = eps
        self.monitor = monitor
        self.rule = rule
        self.threshold = threshold
        self.threshold_rule = threshold_rule
        self.rule_worse = INF if rule == "less" else -INF
        self.best: float = self.rule_worse
        self.num_bad_epochs = 0

    def _initial_step(self) -> None:
        """Do nothing: there is no measurement yet."""
        self._global_step = max(self._global_step, 0)

    def step(self, metrics: Mapping[str, Any] | None = None) -> None:
        """Take a measurement into account; without one, count an epoch that ``begin`` and ``end`` tell.

        The hook calls it after an epoch without, and after a validation with measurements.
        """
        if metrics is None:
            self._global_step += 1
            return
        if not isinstance(metrics, Mapping):
            raise TypeError(f"metrics type should be dict, but got type {type(metrics)}")
        inside = self.begin <= self._global_step < self.end
        if inside and self.monitor not in metrics:
            raise KeyError(
                f"the schedule watches {self.monitor!r}, but the measurements are "
                f"{sorted(metrics)}; set monitor= to one of them"
            )
        if inside:
            self.last_step += 1
            self._watch(_number(metrics[self.monitor]))

    def _watch(self, value: float) -> None:
        if self._is_better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._write(self._get_value())
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _get_value(self) -> Sequence[float]:
        values = []
        for group, least in zip(self.optimizer.param_groups, self.min_values, strict=False):
            now = _number(group[self.param_name])
            lower = max(now * self.factor, least)
            values.append(lower if now - lower > self.eps else now)
        return values

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.rule == "less" else -1
        if self.threshold_rule == "abs":
            return sign * value < sign * self.best - self.threshold
        return sign * value < sign * self.best * (1 - sign * self.threshold)


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ScheduleError(f"{name} {value!r} is unknown; it is one of {allowed}")


def _one_each(value: float | Sequence[float], count: int) -> list[float]:
    if isinstance(value, Sequence):
        if len(value) != count:
            raise ScheduleError(f"expected {count} values of min_value, got {len(value)}")
        return list(value)
    return [value] * count
