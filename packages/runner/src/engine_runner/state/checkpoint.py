"""Checkpoints of a run: saved whole, loaded in part or whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from engine_config.fileio import join_path
from engine_dist.checkpoint import (
    CheckpointError,
    CorruptCheckpointError,
)
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.forms import FormName
from engine_dist.checkpoint.matching import STRIP_MODULE, revise
from engine_dist.strategies.own_ways import holds_by_itself
from engine_dist.strategies.state_io import likeness
from engine_optim import OptimError
from engine_runner.protocols import SavedRun
from engine_runner.state import by_strategy
from engine_runner.state.check import check_state, check_weights
from engine_runner.state.saving import DamagedPartError, capture, restore
from engine_runner.state.source import Source

__all__ = [
    "STRIP_MODULE",
    "joined",
    "load_weights",
    "resume",
    "save",
]


LOG_PATIENCE = 10.0  # seconds that a checkpoint waits for one call of a backend of the visualizer


class _Run(SavedRun, Protocol):
    """A runner as this file sees it."""

    _resume: bool
    _source: Source | None

    def set_up_training(self) -> Any: ...


def joined(out_dir: str | Path, name: str, backend_args: Mapping[str, Any] | None = None) -> str:
    """Return the name of a file in a folder, which may be a URI."""
    return join_path(out_dir, name, backend_args=dict(backend_args) if backend_args else None)


def save(
    run: _Run,
    path: str,
    *,
    optimizer: bool,
    schedulers: bool,
    meta: Mapping[str, Any],
    backend_args: Mapping[str, Any] | None = None,
    form: FormName = "single",
    saver: AsyncSaver | None = None,
) -> None:
    """Write the state of ``run`` to ``path``; every rank calls it."""
    if holds_by_itself(run.strategy):
        asked_of = {"backend_args": backend_args, "form": form, "saver": saver}
        by_strategy.save(
            run, path, optimizer=optimizer, schedulers=schedulers, meta=meta, asked=asked_of
        )
        return
    state = capture(run, optimizer=optimizer, schedulers=schedulers)
    state["meta"].update(meta)
    run.call_hook("before_save_checkpoint", checkpoint=state)
    asked: dict[str, Any] = {"form": form} if form != "single" else {}
    if saver is not None:
        asked["saver"] = saver
    else:
        run.visualizer.flush(LOG_PATIENCE)  # what it counts as logged is, if the process is killed
    run.strategy.save_checkpoint(state, path, backend_args, **asked)


def load_weights(
    run: _Run,
    filename: str | Path,
    map_location: str | torch.device = "cpu",
    strict: bool = False,
    revise_keys: Sequence[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """Load the weights of a checkpoint into the model of ``run`` and return all of it."""
    if holds_by_itself(run.strategy):
        run._source = None
        return by_strategy.load_weights(run, filename, map_location, strict, revise_keys)
    state = _read(run, filename, map_location)
    check_weights(state, str(filename))
    _put_weights(run, filename, state, strict, revise_keys)
    return state


def _read(run: _Run, filename: str | Path, map_location: str | torch.device) -> dict[str, Any]:
    like = likeness(run.model, run.optim_wrapper)
    if like is None:
        return run.strategy.load_checkpoint(filename, map_location)
    return run.strategy.load_checkpoint(filename, map_location, like=like)


def _put_weights(
    run: _Run,
    filename: str | Path,
    state: dict[str, Any],
    strict: bool,
    revise_keys: Sequence[tuple[str, str]] | None = None,
) -> None:
    run._source = None  # what was loaded by hand is not replaced as training begins
    run.call_hook("after_load_checkpoint", checkpoint=state)
    weights = state.get("state_dict", state)
    weights = revise(weights, STRIP_MODULE if revise_keys is None else revise_keys)
    run.strategy.load_model_state_dict(run.model, weights, strict, logger="current")
    run.logger.info("loaded the weights of %s", filename)


def resume(
    run: _Run,
    filename: str | Path,
    map_location: str | torch.device = "cpu",
    *,
    optimizer: bool = True,
    schedulers: bool = True,
) -> None:
    """Put ``run`` where the checkpoint was saved, once it is known that it fits."""
    run.set_up_training()
    if holds_by_itself(run.strategy):
        with _resuming(run):
            run._source = None
            by_strategy.resume(run, filename, optimizer=optimizer, schedulers=schedulers)
        return
    state = run.strategy.resume_checkpoint(
        filename, map_location, optimizer=optimizer, like=likeness(run.model, run.optim_wrapper)
    )
    check_state(run, state, str(filename), optimizer=optimizer, schedulers=schedulers)
    with _resuming(run):
        _put_weights(run, filename, state, strict=True)
    with _naming_damage(filename):
        restore(run, state, optimizer=optimizer, schedulers=schedulers)
    run.logger.info("resumed from %s: epoch %d, iteration %d", filename, run.epoch, run.iter)


@contextmanager
def _resuming(run: _Run) -> Iterator[None]:
    """Let hooks see, as MMEngine's do by the runner's ``_resume``, that this is no mere loading."""
    before, run._resume = run._resume, True
    try:
        yield
    finally:
        run._resume = before


@contextmanager
def _naming_damage(filename: str | Path) -> Iterator[None]:
    """Tell what no check could know of a file as its damage, not the program's."""
    try:
        yield
    except (CheckpointError, OptimError):
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
        part = isinstance(error, DamagedPartError)
        said = str(error) if part else f"{type(error).__name__}: {error}"
        raise CorruptCheckpointError(
            f"{filename} cannot be resumed from: its training state is damaged "
            f"({said}), of which its weights and a part are loaded "
            "already; go on from another checkpoint"
        ) from error
