"""Schedules: pure functions of the step in `curves`, and the classes that remember it."""

from engine_optim.schedulers.absolute_schedulers import (
    CosineRestartParamScheduler,
    OneCycleParamScheduler,
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
from engine_optim.schedulers.lambda_lr import (
    LambdaLR,
    LambdaParamScheduler,
)
from engine_optim.schedulers.lr import (
    WSDLR,
    ConstantLR,
    CosineAnnealingLR,
    CosineRestartLR,
    ExponentialLR,
    LinearLR,
    LRSchedulerMixin,
    MultiStepLR,
    OneCycleLR,
    PolyLR,
    ReduceOnPlateauLR,
    StepLR,
)
from engine_optim.schedulers.momentum import (
    ConstantMomentum,
    CosineAnnealingMomentum,
    CosineRestartMomentum,
    ExponentialMomentum,
    LinearMomentum,
    MomentumSchedulerMixin,
    MultiStepMomentum,
    PolyMomentum,
    ReduceOnPlateauMomentum,
    StepMomentum,
    WSDMomentum,
)
from engine_optim.schedulers.plateau import (
    ReduceOnPlateauParamScheduler,
)
from engine_optim.schedulers.scheduler import (
    INF,
    FactorScheduler,
    ParamGroupHolder,
    _ParamScheduler,
)
from engine_optim.schedulers.torch_lr import (
    TorchLR,
)

__all__ = [
    "INF",
    "WSDLR",
    "ConstantLR",
    "ConstantMomentum",
    "ConstantParamScheduler",
    "CosineAnnealingLR",
    "CosineAnnealingMomentum",
    "CosineAnnealingParamScheduler",
    "CosineRestartLR",
    "CosineRestartMomentum",
    "CosineRestartParamScheduler",
    "ExponentialLR",
    "ExponentialMomentum",
    "ExponentialParamScheduler",
    "FactorScheduler",
    "LRSchedulerMixin",
    "LambdaLR",
    "LambdaParamScheduler",
    "LinearLR",
    "LinearMomentum",
    "LinearParamScheduler",
    "MomentumSchedulerMixin",
    "MultiStepLR",
    "MultiStepMomentum",
    "MultiStepParamScheduler",
    "OneCycleLR",
    "OneCycleParamScheduler",
    "ParamGroupHolder",
    "PolyLR",
    "PolyMomentum",
    "PolyParamScheduler",
    "ReduceOnPlateauLR",
    "ReduceOnPlateauMomentum",
    "ReduceOnPlateauParamScheduler",
    "StepLR",
    "StepMomentum",
    "StepParamScheduler",
    "TorchLR",
    "WSDMomentum",
    "WSDParamScheduler",
    "_ParamScheduler",
]
