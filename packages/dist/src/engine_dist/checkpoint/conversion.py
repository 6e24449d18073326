"""Between sharded checkpoints, single files and safetensors."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from engine_dist.checkpoint.errors import CorruptCheckpointError, UnsavableStateError
from engine_dist.checkpoint.models import weights_of
from engine_dist.checkpoint.saving import flush, replacing, save_checkpoint
from engine_dist.checkpoint.schemes import load_checkpoint_file
from engine_dist.checkpoint.sharded import save_sharded
from engine_dist.checkpoint.sharded_reading import read_sharded

__all__ = [
    "from_safetensors",
    "sharded_to_single",
    "single_to_sharded",
    "to_safetensors",
]


def sharded_to_single(folder: str | os.PathLike[str], filename: str | os.PathLike[str]) -> None:
    """Write the state of a sharded checkpoint into one file; one process calls it."""
    save_checkpoint(read_sharded(folder), filename)


def single_to_sharded(filename: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Write the state of one file as a sharded checkpoint; every process of the job calls it."""
    save_sharded(load_checkpoint_file(filename), folder)


def to_safetensors(source: str | os.PathLike[str], filename: str | os.PathLike[str]) -> None:
    """Write the weights of a checkpoint, a file or a folder, in the format of safetensors.

    Raises
    ------
    UnsavableStateError
        If among the weights there is something other than a tensor.
    ImportError
        If safetensors is not installed (``engine-dist[safetensors]``).
    """
    library = _safetensors()
    name = os.fspath(source)
    loaded = read_sharded(name) if os.path.isdir(name) else load_checkpoint_file(name)
    weights = _flat(weights_of(loaded, name))
    with replacing(Path(filename)) as temporary:
        library.save_file(weights, temporary, metadata={"format": "pt"})
        flush(temporary)


def from_safetensors(
    source: str | os.PathLike[str], filename: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """Return ``{"state_dict": …}`` of a safetensors file, and write it to ``filename`` if given.

    Raises
    ------
    CorruptCheckpointError
        If it is no such file.
    ImportError
        If safetensors is not installed (``engine-dist[safetensors]``).
    """
    library = _safetensors()
    try:
        state = {"state_dict": library.load_file(os.fspath(source))}
    except importlib.import_module("safetensors").SafetensorError as error:
        raise CorruptCheckpointError(f"{source} is no safetensors file: {error}") from error
    if filename is not None:
        save_checkpoint(state, filename)
    return state


def _safetensors() -> Any:
    try:
        return importlib.import_module("safetensors.torch")
    except ImportError as error:
        raise ImportError(
            "the format needs safetensors: pip install 'engine-dist[safetensors]'"
        ) from error


def _flat(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return contiguous tensors of which no two share memory, as the format demands."""
    odd = [name for name, value in weights.items() if not isinstance(value, Tensor)]
    if odd:
        raise UnsavableStateError(
            f"safetensors holds tensors alone, and these are none: {odd[:8]}"
        )
    seen: set[int] = set()
    flat = {}
    for name, value in weights.items():
        data = value.detach().cpu().contiguous()
        place = data.untyped_storage().data_ptr()
        whole = data.untyped_storage().nbytes() == data.numel() * data.element_size()
        flat[name] = data.clone() if place in seen or not whole else data
        seen.add(place)
    return flat
