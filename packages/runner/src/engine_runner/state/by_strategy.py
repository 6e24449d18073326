"""Checkpoints of a run whose strategy saves and loads in a way of its own, as MMEngine's do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from engine_dist.strategies.own_ways import has_own
from engine_runner.protocols import SavedRun
from engine_runner.state.saving import capture, restore_beside

__all__ = ["load_weights", "resume", "save"]


def save(
    run: Any,
    path: str,
    *,
    optimizer: bool,
    schedulers: bool,
    meta: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> None:
    """Let the strategy write what it holds, and beside it the rest of the run.

    Raises
    ------
    ValueError
        If it is asked for what its own way does not have.
    """
    extra = capture(run, optimizer=False, schedulers=False, weights=False)
    extra["meta"].update(meta)
    more = {key: value for key, value in asked.items() if value not in (None, "single")}
    if more and has_own(run.strategy, "save_checkpoint"):
        raise ValueError(
            f"{type(run.strategy).__name__}.save_checkpoint is of MMEngine's form, and takes no "
            f"{', '.join(more)}: save in one file, while training waits, to the file system"
        )
    run.strategy.save_checkpoint(
        filename=path, save_optimizer=optimizer, save_param_scheduler=schedulers, extra_ckpt=extra,
        callback=lambda checkpoint: run.call_hook("before_save_checkpoint", checkpoint=checkpoint),
        **more,
    )  # fmt: skip


def load_weights(
    run: Any,
    filename: str | Path,
    map_location: str | torch.device,
    strict: bool,
    revise_keys: Sequence[tuple[str, str]] | None,
) -> dict[str, Any]:
    """Let the strategy load the weights of a checkpoint; return the rest."""
    keys = {} if revise_keys is None else {"revise_keys": list(revise_keys)}
    state: dict[str, Any] = run.strategy.load_checkpoint(
        str(filename), map_location=map_location, strict=strict, callback=_heard_by(run), **keys
    )
    run.logger.info("loaded the weights of %s", filename)
    return state


def resume(run: Any, filename: str | Path, *, optimizer: bool, schedulers: bool) -> None:
    """Let the strategy go on with what it holds, and put the rest of the run where it was saved."""
    state = run.strategy.resume(
        str(filename), resume_optimizer=optimizer, resume_param_scheduler=schedulers,
        callback=_heard_by(run),
    )  # fmt: skip
    held: SavedRun = run
    restore_beside(held, state)
    run.logger.info("resumed from %s: epoch %d, iteration %d", filename, run.epoch, run.iter)


def _heard_by(run: Any) -> Any:
    return lambda checkpoint: run.call_hook("after_load_checkpoint", checkpoint=checkpoint)
