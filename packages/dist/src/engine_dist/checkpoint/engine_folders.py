"""Reading the folder that DeepSpeed's engine writes, on one process and without its engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from engine_dist.checkpoint.checksums import ENGINE_FILES
from engine_dist.checkpoint.errors import CorruptCheckpointError
from engine_dist.checkpoint.loading import read_checkpoint
from engine_dist.deepspeed_library import harmless, whole_weights

__all__ = [
    "GROUPS",
    "RUNS",
    "engine_record",
    "engine_state",
    "is_engine_folder",
    "is_split_folder",
    "read_engine_folder",
    "weights_of",
    "with_weights",
]

# in one of DeepSpeed's files ``optimizer`` is the engine's own; a run's stands under another name
RUNS = {"optimizer": "optim_wrapper"}
GROUPS = "param_groups"
# what of such a file is the engine's
_ENGINES = {
    "buffer_names", "data_sampler", "dp_world_size", "ds_autoep_layers", "ds_config", "ds_version",
    "frozen_param_fragments", "frozen_param_shapes", "global_samples", "global_steps",
    "lr_scheduler", "module", "mp_world_size", "num_experts", "optimizer", "param_shapes",
    "random_ltd", "shared_params", "skipped_steps", "sparse_tensor_module_names",
    "universal_checkpoint_info", "checkpoint_parallel_dimensions", GROUPS,
}  # fmt: skip


def is_engine_folder(path: str | os.PathLike[str]) -> bool:
    """Tell whether DeepSpeed's engine wrote a folder."""
    return Path(path).is_dir() and bool(_model_files(Path(path)))


def read_engine_folder(folder: Path) -> dict[str, Any]:
    """Return a folder's state with whole weights, of 32 bit where ZeRO kept such.

    Raises
    ------
    CheckpointError
        If a file of it is damaged, or asks for more than DeepSpeed's own records.
    """
    return with_weights(engine_state(folder), weights_of(folder))


def with_weights(state: dict[str, Any], weights: dict[str, Any]) -> dict[str, Any]:
    """Return a state with its weights, or their averages where it has such, in their place.

    So has every other checkpoint: the average is what is to be used.
    """
    averaged = state.get("ema_state_dict")
    if not averaged:
        return {**state, "state_dict": weights}
    trained = {f"module.{name}": value for name, value in weights.items()}
    return {
        **state,
        "state_dict": {name: averaged[f"module.{name}"] for name in weights},
        "ema_state_dict": {**averaged, **trained},
    }


def engine_state(folder: Path) -> dict[str, Any]:
    """Return what a folder holds beside weights and the optimizer's state.

    Every file is looked at: DeepSpeed, which reads them next, unpickles whatever it finds.

    Raises
    ------
    CheckpointError
        If a file of it is damaged, or asks for more than DeepSpeed's own records.
    """
    for file in sorted(folder.rglob("*.pt")):
        _read(file)
    back = {name: own for own, name in RUNS.items()}
    return {back.get(k, k): v for k, v in engine_record(folder).items() if k not in _ENGINES}


def engine_record(folder: Path) -> dict[str, Any]:
    """Return what the first of the engine's files of a model holds."""
    return _read(_model_files(folder)[0])


def is_split_folder(folder: Path) -> bool:
    """Tell whether each process has written a part of the optimizer's state."""
    return any(folder.glob("*_optim_states.pt"))


def weights_of(folder: Path) -> dict[str, Any]:
    """Return the whole weights of a folder, of 32 bit where ZeRO kept such."""
    if not is_split_folder(folder):
        weights: dict[str, Any] = engine_record(folder)["module"]
        return weights
    return whole_weights(folder)


def _model_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{ENGINE_FILES}"))


def _read(file: Path) -> dict[str, Any]:
    """Read a file safely; its tensors stay on the disk until they are used."""
    with torch.serialization.safe_globals(harmless()):
        found = read_checkpoint(file, mmap=True)
    if not isinstance(found, dict):
        raise CorruptCheckpointError(f"{file} holds a {type(found).__name__}, no dict")
    return found
