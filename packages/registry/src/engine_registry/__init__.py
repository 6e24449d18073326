"""Typed registries that turn names and configurations into objects."""

from .build import (
    build_from_cfg,
    build_model_from_cfg,
    build_runner_from_cfg,
    build_scheduler_from_cfg,
)
from .conversion import build_as
from .errors import (
    ConfigCheckError,
    DuplicateNameError,
    RefusedNameError,
    RegistryError,
    UnknownNameError,
)
from .faults import Fault
from .inspection import (
    Description,
    count_registered_modules,
    describe,
    traverse_registry_tree,
)
from .instances import ManagerMeta, ManagerMixin
from .registry import Registry
from .roots import (
    DATA_SAMPLERS,
    DATASETS,
    EVALUATOR,
    FUNCTIONS,
    HOOKS,
    INFERENCERS,
    LOG_PROCESSORS,
    LOOPS,
    METRICS,
    MODEL_WRAPPERS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    RUNNER_CONSTRUCTORS,
    RUNNERS,
    STRATEGIES,
    TASK_UTILS,
    TRANSFORMS,
    VISBACKENDS,
    VISUALIZERS,
    WEIGHT_INITIALIZERS,
)
from .scope import DefaultScope, init_default_scope
from .trust import guard, restrict
from .validation import check, find_faults, require_none

__version__ = "0.1.0"

__all__ = [
    "DATASETS",
    "DATA_SAMPLERS",
    "EVALUATOR",
    "FUNCTIONS",
    "HOOKS",
    "INFERENCERS",
    "LOG_PROCESSORS",
    "LOOPS",
    "METRICS",
    "MODELS",
    "MODEL_WRAPPERS",
    "OPTIMIZERS",
    "OPTIM_WRAPPERS",
    "OPTIM_WRAPPER_CONSTRUCTORS",
    "PARAM_SCHEDULERS",
    "RUNNERS",
    "RUNNER_CONSTRUCTORS",
    "STRATEGIES",
    "TASK_UTILS",
    "TRANSFORMS",
    "VISBACKENDS",
    "VISUALIZERS",
    "WEIGHT_INITIALIZERS",
    "ConfigCheckError",
    "DefaultScope",
    "Description",
    "DuplicateNameError",
    "Fault",
    "ManagerMeta",
    "ManagerMixin",
    "RefusedNameError",
    "Registry",
    "RegistryError",
    "UnknownNameError",
    "__version__",
    "build_as",
    "build_from_cfg",
    "build_model_from_cfg",
    "build_runner_from_cfg",
    "build_scheduler_from_cfg",
    "check",
    "count_registered_modules",
    "describe",
    "find_faults",
    "guard",
    "init_default_scope",
    "require_none",
    "restrict",
    "traverse_registry_tree",
]
