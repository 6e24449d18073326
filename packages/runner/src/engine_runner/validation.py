"""Which part of a run's configuration names what: for the check before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from engine_config import Config, ConfigDict
from engine_registry import (
    DATASETS,
    EVALUATOR,
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    METRICS,
    MODEL_WRAPPERS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    VISBACKENDS,
    VISUALIZERS,
    DefaultScope,
    Registry,
    check,
)

__all__ = ["check_run_config"]

SECTIONS: Mapping[str, Registry[Any]] = {
    "model": MODELS,
    "data_preprocessor": MODELS,
    "model_wrapper_cfg": MODEL_WRAPPERS,
    "optim_wrapper": OPTIM_WRAPPERS,
    "optim_wrapper.optimizer": OPTIMIZERS,
    "param_scheduler": PARAM_SCHEDULERS,
    "param_scheduler.*": PARAM_SCHEDULERS,
    "default_hooks.*": HOOKS,
    "custom_hooks.*": HOOKS,
    "visualizer": VISUALIZERS,
    "visualizer.vis_backends.*": VISBACKENDS,
    "log_processor": LOG_PROCESSORS,
    **{f"{mode}_cfg": LOOPS for mode in ("train", "val", "test")},
    **{f"{mode}_dataloader.dataset": DATASETS for mode in ("train", "val", "test")},
    "val_evaluator.*": METRICS,
    "test_evaluator.*": METRICS,
}
_LOADED = ("dataset", "seed", "sampler", "batch_size")
SUPPLIED: Mapping[str, tuple[str, ...]] = {
    "model": ("data_preprocessor",),
    "model_wrapper_cfg": ("module",),
    "optim_wrapper": ("optimizer",),
    "optim_wrapper.optimizer": ("params",),
    "param_scheduler": ("optimizer", "end", "total_steps"),
    "param_scheduler.*": ("optimizer", "end", "total_steps"),
    "visualizer": ("name", "save_dir"),
    "visualizer.vis_backends.*": ("save_dir",),
    "train_cfg": ("runner", "dataloader"),
    "val_cfg": ("runner", "dataloader", "evaluator"),
    "test_cfg": ("runner", "dataloader", "evaluator"),
    **{f"{mode}_dataloader.sampler": _LOADED for mode in ("train", "val", "test")},
    **{f"{mode}_dataloader.batch_sampler": _LOADED for mode in ("train", "val", "test")},
    **{f"{mode}_dataloader.collate_fn": ("data_batch",) for mode in ("train", "val", "test")},
}
# optimizer wrappers take these from the same dict as their constructor
_NOT_THE_WRAPPERS = ("constructor", "paramwise_cfg", "optimizer")


def check_run_config(cfg: Config) -> None:
    """Find the faults of a run's configuration; nothing is built.

    Raises
    ------
    ConfigCheckError
        If it has any: all of them at once, with path, file and line.
    """
    with DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmengine")):
        check(_with_types(cfg), sections=_sections(cfg), supplied=SUPPLIED)


def _with_types(cfg: Config) -> ConfigDict:
    """Return the configuration with the types that the runner puts in where none is named."""
    types = {"optim_wrapper": "OptimWrapper", "val_cfg": "ValLoop", "test_cfg": "TestLoop"}
    train_cfg = cfg.get("train_cfg")
    if isinstance(train_cfg, Mapping):
        by_epoch = train_cfg.get("by_epoch", "max_iters" not in train_cfg)
        types["train_cfg"] = "EpochBasedTrainLoop" if by_epoch else "IterBasedTrainLoop"
    checked: ConfigDict = copy(cfg._cfg_dict)
    for key, kind in types.items():
        value = checked.get(key)
        if isinstance(value, ConfigDict) and "type" not in value:
            # a shallow copy knows, as the original, where it was written
            checked[key] = value = copy(value)
            value["type"] = kind
            value.pop("by_epoch", None)
    return checked


def _sections(cfg: Config) -> dict[str, Registry[Any]]:
    sections = dict(SECTIONS)
    for name in ("val_evaluator", "test_evaluator"):
        value = cfg.get(name)
        if isinstance(value, Mapping):
            sections[name] = EVALUATOR if "metrics" in value else METRICS
    return sections
