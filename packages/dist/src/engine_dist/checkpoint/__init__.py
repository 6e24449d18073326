"""Checkpoint bytes: saved whole or not at all, loaded without running what they say."""

from engine_dist.checkpoint.checksums import remove_checkpoint, verify_checkpoint
from engine_dist.checkpoint.downloads import download
from engine_dist.checkpoint.errors import (
    CheckpointError,
    CorruptCheckpointError,
    DownloadError,
    MissingCheckpointError,
    SandboxError,
    StateMismatchError,
    UnsafeCheckpointError,
    UnsavableStateError,
    UnwritableError,
    unwritable,
)
from engine_dist.checkpoint.latest import find_latest_checkpoint
from engine_dist.checkpoint.legacy import HistoryRecord
from engine_dist.checkpoint.matching import load_state_dict
from engine_dist.checkpoint.models import (
    _load_checkpoint,
    _load_checkpoint_to_model,
    _load_checkpoint_with_prefix,
    load_checkpoint,
)
from engine_dist.checkpoint.reports import LoadReport
from engine_dist.checkpoint.savable import plain
from engine_dist.checkpoint.saving import save_checkpoint
from engine_dist.checkpoint.schemes import CheckpointLoader, load_checkpoint_file
from engine_dist.checkpoint.state_dicts import get_state_dict, weights_to_cpu
from engine_dist.checkpoint.temporaries import clear_leftovers
from engine_dist.checkpoint.zoo import (
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

__all__ = [
    "CheckpointError",
    "CheckpointLoader",
    "CorruptCheckpointError",
    "DownloadError",
    "HistoryRecord",
    "LoadReport",
    "MissingCheckpointError",
    "SandboxError",
    "StateMismatchError",
    "UnsafeCheckpointError",
    "UnsavableStateError",
    "UnwritableError",
    "_load_checkpoint",
    "_load_checkpoint_to_model",
    "_load_checkpoint_with_prefix",
    "clear_leftovers",
    "download",
    "find_latest_checkpoint",
    "get_deprecated_model_names",
    "get_external_models",
    "get_mmcls_models",
    "get_state_dict",
    "get_torchvision_models",
    "load_checkpoint",
    "load_checkpoint_file",
    "load_state_dict",
    "plain",
    "remove_checkpoint",
    "save_checkpoint",
    "unwritable",
    "verify_checkpoint",
    "weights_to_cpu",
]
