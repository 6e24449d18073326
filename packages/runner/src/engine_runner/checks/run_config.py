"""Which part of a run's configuration names what: for the check before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from engine_config import Config, ConfigDict, values_of
from engine_registry import (
    DATA_SAMPLERS,
    DATASETS,
    EVALUATOR,
    FUNCTIONS,
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    METRICS,
    MODEL_WRAPPERS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
    VISBACKENDS,
    VISUALIZERS,
    DefaultScope,
    Fault,
    Registry,
    find_faults,
    require_none,
)
from engine_runner.checks.settings import has_two_lengths, setting_faults
from engine_runner.checks.unknown_keys import KNOWN

__all__ = ["check_run_config", "run_config_faults"]

SECTIONS: Mapping[str, Registry[Any]] = {
    "model": MODELS,
    "data_preprocessor": MODELS,
    "model_wrapper_cfg": MODEL_WRAPPERS,
    "optim_wrapper": OPTIM_WRAPPERS,
    "optim_wrapper.optimizer": OPTIMIZERS,
    "optim_wrapper.*.optimizer": OPTIMIZERS,
    "param_scheduler": PARAM_SCHEDULERS,
    "param_scheduler.*": PARAM_SCHEDULERS,
    "param_scheduler.*.*": PARAM_SCHEDULERS,
    "default_hooks.*": HOOKS,
    "custom_hooks.*": HOOKS,
    "visualizer": VISUALIZERS,
    "visualizer.vis_backends.*": VISBACKENDS,
    "log_processor": LOG_PROCESSORS,
    **{f"{mode}_cfg": LOOPS for mode in ("train", "val", "test")},
    **{
        f"{mode}_dataloader.{part}": registry
        for mode in ("train", "val", "test")
        for part, registry in {
            "dataset": DATASETS,
            "dataset.pipeline.*": TRANSFORMS,
            "sampler": DATA_SAMPLERS,
            "batch_sampler": DATA_SAMPLERS,
            "collate_fn": FUNCTIONS,
            "worker_init_fn": FUNCTIONS,
        }.items()
    },
    "val_evaluator.*": METRICS,
    "test_evaluator.*": METRICS,
}
_LOADED = ("dataset", "seed", "sampler", "batch_size")
SUPPLIED: Mapping[str, tuple[str, ...]] = {
    "model": ("data_preprocessor",),
    "model_wrapper_cfg": ("module",),
    "optim_wrapper": ("optimizer",),
    "optim_wrapper.optimizer": ("params",),
    "optim_wrapper.*.optimizer": ("params",),
    "param_scheduler": ("optimizer", "end", "total_steps"),
    "param_scheduler.*": ("optimizer", "end", "total_steps"),
    "param_scheduler.*.*": ("optimizer", "end", "total_steps"),
    "visualizer": ("name", "save_dir"),
    "visualizer.vis_backends.*": ("save_dir",),
    "train_cfg": ("runner", "dataloader"),
    "val_cfg": ("runner", "dataloader", "evaluator"),
    "test_cfg": ("runner", "dataloader", "evaluator"),
    **{f"{mode}_dataloader.sampler": _LOADED for mode in ("train", "val", "test")},
    **{f"{mode}_dataloader.batch_sampler": _LOADED for mode in ("train", "val", "test")},
    **{f"{mode}_dataloader.collate_fn": ("data_batch",) for mode in ("train", "val", "test")},
}
# these stand in the same dict as the arguments of the optimizer wrapper
_NOT_THE_WRAPPERS = ("constructor", "paramwise_cfg")


def check_run_config(cfg: Config) -> None:
    """Find the faults of a run's configuration; nothing is built.

    Raises
    ------
    ConfigCheckError
        If it has any: all of them at once, with path, file and line.
    """
    require_none(run_config_faults(cfg))


def run_config_faults(cfg: Config) -> list[Fault]:
    """Return the faults of a run's configuration, as it is written; nothing is built."""
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmengine")):
        faults = find_faults(
            _with_types(cfg), sections=_sections(cfg), supplied=SUPPLIED,
            # where a user's own dictionary is used, its copy is checked
            ignore=[name for name in map(str, cfg.keys()) if name not in KNOWN],
        )  # fmt: skip
    return [*setting_faults(values_of(cfg)), *faults]


def _with_types(cfg: Config) -> ConfigDict:
    """Return the configuration with the types that the runner puts in where none is named."""
    types = {
        "model_wrapper_cfg": "MMDistributedDataParallel",
        "val_cfg": "ValLoop", "test_cfg": "TestLoop",
        "log_processor": "LogProcessor", "visualizer": "Visualizer",
    }  # fmt: skip
    wrapper = cfg.get("optim_wrapper")
    if not (isinstance(wrapper, Mapping) and wrapper.get("constructor")):
        types["optim_wrapper"] = "OptimWrapper"  # else the constructor says what it is made of
    train_cfg = cfg.get("train_cfg")
    if isinstance(train_cfg, Mapping):
        by_epoch = train_cfg.get("by_epoch", "max_iters" not in train_cfg)
        types["train_cfg"] = "EpochBasedTrainLoop" if by_epoch else "IterBasedTrainLoop"
    checked = copy(values_of(cfg))
    for key, kind in types.items():
        value = checked.get(key)
        if isinstance(value, ConfigDict) and "type" not in value:
            # a shallow copy knows, as the original, where it was written
            checked[key] = value = copy(value)
            if has_two_lengths(value):  # of which the settings' check tells
                del value["max_iters" if types[key] == "EpochBasedTrainLoop" else "max_epochs"]
            value["type"] = kind
            if key == "train_cfg":
                value.pop("by_epoch", None)
    if isinstance(wrapper, ConfigDict):
        checked["optim_wrapper"] = value = copy(checked["optim_wrapper"])
        for key in _NOT_THE_WRAPPERS:
            value.pop(key, None)
    return checked


def _sections(cfg: Config) -> dict[str, Registry[Any]]:
    sections = dict(SECTIONS)
    for name in ("val_evaluator", "test_evaluator"):
        value = cfg.get(name)
        if isinstance(value, Mapping):
            sections[name] = EVALUATOR if "metrics" in value else METRICS
    return sections
