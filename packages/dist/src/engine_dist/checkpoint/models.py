"""From a name to a model's weights."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from torch import nn

from engine_dist.checkpoint.errors import CorruptCheckpointError, StateMismatchError, printable
from engine_dist.checkpoint.loading import MapLocation
from engine_dist.checkpoint.matching import STRIP_MODULE, load_state_dict, revise
from engine_dist.checkpoint.schemes import CheckpointLoader, load_checkpoint_file

__all__ = ["load_checkpoint"]


def load_checkpoint(
    model: nn.Module,
    filename: str | os.PathLike[str],
    map_location: MapLocation = None,
    strict: bool = False,
    logger: logging.Logger | str | None = None,
    revise_keys: Sequence[tuple[str, str]] = STRIP_MODULE,
    *,
    mmap: bool = False,
    trusted: bool = False,
    may_miss: Sequence[str] = (),
    allow_few: bool = False,
) -> dict[str, Any]:
    r"""Load the weights of a checkpoint into a model and return all that the checkpoint holds.

    Parameters
    ----------
    model : nn.Module
        What takes the weights.
    filename : str or os.PathLike
        A path, or a name with a scheme, as for `load_checkpoint_file`.
    map_location, mmap, trusted
        As for `load_checkpoint_file`.
    strict, logger, may_miss, allow_few
        As for `load_state_dict`.
    revise_keys : sequence of (str, str)
        Patterns and what they become in each name; by default ``module.`` at its start goes.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be loaded, or does not fit; the model is as it was.
    """
    checkpoint = load_checkpoint_file(filename, map_location, mmap=mmap, trusted=trusted)
    state = revise(weights_of(checkpoint, os.fspath(filename)), revise_keys)
    load_state_dict(model, state, strict, logger, may_miss=may_miss, allow_few=allow_few)
    return checkpoint


def weights_of(checkpoint: Any, name: str) -> dict[str, Any]:
    """Return the weights in a checkpoint: under ``state_dict``, or all of it."""
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, dict) else None
    fault = _fault(checkpoint, state)
    if fault:
        raise CorruptCheckpointError(f"No state_dict found in checkpoint file {name}: {fault}")
    assert isinstance(state, dict)
    return state


def _fault(checkpoint: Any, state: Any) -> str | None:
    """Say why something is no model's state; None where it is."""
    if not isinstance(checkpoint, dict):
        return f"it holds a {type(checkpoint).__name__}, not the dict that a checkpoint is"
    if not isinstance(state, dict):
        return f"its state_dict is a {type(state).__name__}, not a dict of tensors by name"
    odd = next((key for key in state if not isinstance(key, str)), None)
    if odd is not None:
        return f"the name of an entry is {printable(repr(odd)[:80])}, which is no text"
    versions = getattr(state, "_metadata", {})
    if not isinstance(versions, dict) or not all(isinstance(v, dict) for v in versions.values()):
        return "its _metadata, the versions of modules, is no dict of dicts"
    return None


def _load_checkpoint(
    filename: str,
    map_location: MapLocation = None,
    logger: logging.Logger | str | None = None,
) -> Any:
    """Load what a name stands for."""
    return CheckpointLoader.load_checkpoint(filename, map_location, logger)


def _load_checkpoint_with_prefix(
    prefix: str, filename: str, map_location: MapLocation = None
) -> dict[str, Any]:
    """Return the part of a checkpoint's weights below a prefix, under the names that follow it."""
    state = weights_of(CheckpointLoader.load_checkpoint(filename, map_location), filename)
    prefix = prefix if not prefix or prefix.endswith(".") else f"{prefix}."
    part = {name[len(prefix) :]: v for name, v in state.items() if name.startswith(prefix)}
    if not part:
        first = sorted({name.split(".")[0] for name in state})
        raise StateMismatchError(
            f"{prefix} is not in the pretrained model {filename}; its names begin with "
            f"{', '.join(first[:20])}"
        )
    return part


def _load_checkpoint_to_model(
    model: nn.Module,
    checkpoint: dict[str, Any],
    strict: bool = False,
    logger: logging.Logger | str | None = None,
    revise_keys: Sequence[tuple[str, str]] = STRIP_MODULE,
) -> dict[str, Any]:
    """Load the weights of a checkpoint that is in memory into a model; return the checkpoint."""
    state = revise(weights_of(checkpoint, "in memory"), revise_keys)
    load_state_dict(model, state, strict, logger)
    return checkpoint
