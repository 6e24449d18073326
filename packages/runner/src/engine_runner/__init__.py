"""Training, validation and test runs composed from a configuration, on PyTorch."""

from engine_dist import autocast, set_random_seed, turn_on_activation_checkpointing
from engine_dist.checkpoint import (
    CheckpointLoader,
    find_latest_checkpoint,
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_state_dict,
    get_torchvision_models,
    load_checkpoint,
    load_state_dict,
    save_checkpoint,
    weights_to_cpu,
)
from engine_runner.hooks import Priority, get_priority
from engine_runner.logging import LogProcessor
from engine_runner.loops import (
    BaseLoop,
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    TestLoop,
    ValLoop,
)
from engine_runner.runners import BaseRunner, FlexibleRunner, Recipe, Runner

__version__ = "0.1.0"

__all__ = [
    "BaseLoop",
    "BaseRunner",
    "CheckpointLoader",
    "EpochBasedTrainLoop",
    "FlexibleRunner",
    "IterBasedTrainLoop",
    "LogProcessor",
    "Priority",
    "Recipe",
    "Runner",
    "TestLoop",
    "ValLoop",
    "__version__",
    "autocast",
    "find_latest_checkpoint",
    "get_deprecated_model_names",
    "get_external_models",
    "get_mmcls_models",
    "get_priority",
    "get_state_dict",
    "get_torchvision_models",
    "load_checkpoint",
    "load_state_dict",
    "save_checkpoint",
    "set_random_seed",
    "turn_on_activation_checkpointing",
    "weights_to_cpu",
]
