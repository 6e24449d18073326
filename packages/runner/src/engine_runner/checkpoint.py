"""Checkpoints of a run: saved whole, loaded in part or whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from engine_dist.checkpoint import find_latest_checkpoint, load_state_dict
from engine_dist.wrappers import unwrap
from engine_runner.hooks.protocol import RunnerLike
from engine_runner.training_state import TrainingParts, capture, restore

__all__ = ["load_weights", "newest", "resume", "save"]

# what data parallelism of other programs puts before each name
STRIP_MODULE = ((r"^module\.", ""),)


class _Run(TrainingParts, RunnerLike, Protocol):
    """A runner as this file sees it."""


def newest(work_dir: str | Path) -> str | None:
    """Return the newest checkpoint of a work directory, or None."""
    if not Path(work_dir).is_dir():
        return None
    return find_latest_checkpoint(str(work_dir))


def save(
    run: _Run, path: Path, *, optimizer: bool, schedulers: bool, meta: Mapping[str, Any]
) -> None:
    """Write the state of ``run`` to ``path``; every rank calls it."""
    state = capture(run, optimizer=optimizer, schedulers=schedulers)
    metainfo = getattr(getattr(run.train_dataloader, "dataset", None), "metainfo", None)
    if metainfo is not None:
        state["meta"]["dataset_meta"] = dict(metainfo)
    state["meta"].update(meta)
    run.call_hook("before_save_checkpoint", checkpoint=state)
    run.strategy.save_checkpoint(state, path)


def load_weights(
    run: _Run,
    filename: str | Path,
    map_location: str | torch.device = "cpu",
    strict: bool = False,
    revise_keys: Sequence[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """Load the weights of a checkpoint into the model of ``run`` and return all of it."""
    state = run.strategy.load_checkpoint(filename, map_location)
    run.call_hook("after_load_checkpoint", checkpoint=state)
    weights = state.get("state_dict", state)
    for pattern, replacement in STRIP_MODULE if revise_keys is None else revise_keys:
        weights = {re.sub(pattern, replacement, key): value for key, value in weights.items()}
    load_state_dict(unwrap(run.model), weights, strict=strict, logger="current")
    run.logger.info("loaded the weights of %s", filename)
    return state


def resume(
    run: _Run,
    filename: str | Path,
    map_location: str | torch.device = "cpu",
    *,
    optimizer: bool = True,
    schedulers: bool = True,
) -> None:
    """Put ``run`` where the checkpoint was saved."""
    state = load_weights(run, filename, map_location, strict=True)
    restore(run, state, optimizer=optimizer, schedulers=schedulers)
    run.logger.info("resumed from %s: epoch %d, iteration %d", filename, run.epoch, run.iter)
