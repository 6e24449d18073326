"""A learning rate from a function of the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine_optim.errors import ScheduleError
from engine_optim.schedulers.lr import LRSchedulerMixin
from engine_optim.schedulers.scheduler import (
    INF,
    ParamGroupHolder,
    _ParamScheduler,
)
from engine_registry import FUNCTIONS, PARAM_SCHEDULERS

__all__ = ["LambdaLR", "LambdaParamScheduler"]

Factor = Callable[[int], float]


@PARAM_SCHEDULERS.register_module()
class LambdaParamScheduler(_ParamScheduler):
    """Multiply the base value by what a function says of the step since ``begin``.

    Parameters
    ----------
    lr_lambda
        A function of the step, its name in the registry FUNCTIONS, or an import path such as
        ``"package.module.function"``; or a list of these, one a group. A restricted config
        may name registered functions only.
    """

    _endless = True

    _unsaved = frozenset({"optimizer", "lr_lambdas"})

    def __init__(
        self,
        optimizer: ParamGroupHolder,
        param_name: str,
        lr_lambda: str | Factor | Sequence[str | Factor],
        begin: int = 0,
        end: int = INF,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        count = len(getattr(optimizer, "param_groups", ()))
        if isinstance(lr_lambda, str) or callable(lr_lambda):
            self.lr_lambdas = [_resolve(lr_lambda)] * count
        else:
            self.lr_lambdas = [_resolve(item) for item in lr_lambda]
        if len(self.lr_lambdas) != count:
            raise ScheduleError(
                f"lr_lambda has {len(self.lr_lambdas)} functions for {count} parameter groups"
            )
        super().__init__(optimizer, param_name, begin, end, last_step, by_epoch, verbose)

    def _get_value(self) -> Sequence[float]:
        t = self.last_step
        return [
            base * function(t)
            for base, function in zip(self.base_values, self.lr_lambdas, strict=True)
        ]


@PARAM_SCHEDULERS.register_module()
class LambdaLR(LRSchedulerMixin, LambdaParamScheduler):
    """`LambdaParamScheduler` of the learning rate."""


def _resolve(function: str | Factor) -> Factor:
    if not isinstance(function, str):
        return function
    found: Factor | None = FUNCTIONS.get(function.replace(":", "."))
    if found is None:
        raise ScheduleError(
            f"lr_lambda={function!r} names no function: register one in FUNCTIONS, or give an "
            "import path such as 'package.module.function'"
        )
    return found
