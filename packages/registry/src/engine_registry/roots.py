"""The root registries.  A location is imported when a name of its registry is first missed."""

from __future__ import annotations

from typing import Any

from .build import build_model_from_cfg, build_runner_from_cfg, build_scheduler_from_cfg
from .context import ROOT_SCOPE
from .registry import Registry


def _root(name: str, *locations: str, build_func: Any = None) -> Registry[Any]:
    return Registry(name, build_func=build_func, scope=ROOT_SCOPE, locations=locations)


RUNNERS = _root("runner", "engine_runner", build_func=build_runner_from_cfg)
RUNNER_CONSTRUCTORS = _root("runner constructor")
LOOPS = _root("loop", "engine_runner.loops")
HOOKS = _root("hook", "engine_runner.hooks")
LOG_PROCESSORS = _root("log_processor", "engine_runner.logging")
STRATEGIES = _root("strategy", "engine_dist.strategies")

DATASETS = _root("dataset", "engine_dataset")
DATA_SAMPLERS = _root("data sampler", "engine_dataset")
TRANSFORMS = _root("transform", "engine_dataset")
FUNCTIONS = _root("function", "engine_dataset")

MODELS = _root(
    "model", "engine_runner.model", "engine_optim.averaging", build_func=build_model_from_cfg
)
MODEL_WRAPPERS = _root("model_wrapper", "engine_dist.wrappers")
WEIGHT_INITIALIZERS = _root("weight initializer", "engine_runner.model")

OPTIMIZERS = _root("optimizer", "engine_optim.construction")
OPTIM_WRAPPERS = _root("optim_wrapper", "engine_optim.wrappers")
OPTIM_WRAPPER_CONSTRUCTORS = _root("optimizer wrapper constructor", "engine_optim.construction")
PARAM_SCHEDULERS = _root(
    "parameter scheduler", "engine_optim.schedulers", build_func=build_scheduler_from_cfg
)

METRICS = _root("metric", "engine_evaluator")
EVALUATOR = _root("evaluator", "engine_evaluator")
TASK_UTILS = _root("task util")
VISUALIZERS = _root("visualizer", "engine_runner.visualization")
VISBACKENDS = _root("vis_backend", "engine_runner.visualization")
INFERENCERS = _root("inferencer", "engine_runner.inference")

ROOTS: dict[str, Registry[Any]] = {
    name: value for name, value in list(globals().items()) if isinstance(value, Registry)
}
