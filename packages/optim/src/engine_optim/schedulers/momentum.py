"""Schedules of the momentum, or of the first of ``betas``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine_optim.schedulers.absolute_schedulers import (
    CosineRestartParamScheduler,
)
from engine_optim.schedulers.factor_schedulers import (
    ConstantParamScheduler,
    CosineAnnealingParamScheduler,
    ExponentialParamScheduler,
    LinearParamScheduler,
    MultiStepParamScheduler,
    PolyParamScheduler,
    StepParamScheduler,
    WSDParamScheduler,
)
from engine_optim.schedulers.plateau import (
    ReduceOnPlateauParamScheduler,
)
from engine_optim.schedulers.scheduler import ParamGroupHolder, _ParamScheduler
from engine_registry import PARAM_SCHEDULERS

__all__ = [
    "ConstantMomentum",
    "CosineAnnealingMomentum",
    "CosineRestartMomentum",
    "ExponentialMomentum",
    "LinearMomentum",
    "MomentumSchedulerMixin",
    "MultiStepMomentum",
    "PolyMomentum",
    "ReduceOnPlateauMomentum",
    "StepMomentum",
    "WSDMomentum",
]


class MomentumSchedulerMixin(_ParamScheduler):
    """Let a schedule act on ``momentum``, or on ``betas[0]`` where the optimizer has betas."""

    def __init__(self, optimizer: ParamGroupHolder, *args: Any, **kwargs: Any) -> None:
        defaults = getattr(optimizer, "defaults", {})
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                "optimizer must support momentum when using momentum scheduler; "
                f"{type(optimizer).__name__} has {sorted(defaults)}"
            )
        self.use_betas = "betas" in defaults
        if self.use_betas:
            for group in optimizer.param_groups:
                group["momentum"] = group["betas"][0]
        super().__init__(optimizer, "momentum", *args, **kwargs)

    def _write(self, values: Sequence[float]) -> None:
        super()._write(values)
        if self.use_betas:
            for group in self.optimizer.param_groups:
                group["betas"] = (group["momentum"], *group["betas"][1:])


@PARAM_SCHEDULERS.register_module()
class ConstantMomentum(MomentumSchedulerMixin, ConstantParamScheduler):
    """`ConstantParamScheduler` of the momentum."""


@PARAM_SCHEDULERS.register_module()
class CosineAnnealingMomentum(MomentumSchedulerMixin, CosineAnnealingParamScheduler):
    """`CosineAnnealingParamScheduler` of the momentum."""


@PARAM_SCHEDULERS.register_module()
class CosineRestartMomentum(MomentumSchedulerMixin, CosineRestartParamScheduler):
    """`CosineRestartParamScheduler` of the momentum."""


@PARAM_SCHEDULERS.register_module()
class ExponentialMomentum(MomentumSchedulerMixin, ExponentialParamScheduler):
    """`ExponentialParamScheduler` of the momentum."""


@PARAM_SCHEDULERS.register_module()
class LinearMomentum(MomentumSchedulerMixin, LinearParamScheduler):
    """`LinearParamScheduler` of the momentum."""


@PARAM_SCHEDULERS.register_module()
class MultiStepMomentum(MomentumSchedulerMixin, MultiStepParamScheduler):
    """`MultiStepParamScheduler` of the momentum."""


@PARAM_SCHEDULERS.register_module()
class PolyMomentum(MomentumSchedulerMixin, PolyParamScheduler):
    """`PolyParamScheduler` of the momentum."""


@PARAM_SCHEDULERS.register_module()
class ReduceOnPlateauMomentum(MomentumSchedulerMixin, ReduceOnPlateauParamScheduler):
    """`ReduceOnPlateauParamScheduler` of the momentum."""


@PARAM_SCHEDULERS.register_module()
class StepMomentum(MomentumSchedulerMixin, StepParamScheduler):
    """`StepParamScheduler` of the momentum."""


@PARAM_SCHEDULERS.register_module()
class WSDMomentum(MomentumSchedulerMixin, WSDParamScheduler):
    """`WSDParamScheduler` of the momentum."""
