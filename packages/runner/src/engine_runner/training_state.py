"""What a run is made of beside its weights, to and from a checkpoint.

The keys are MMEngine's: ``meta``, ``state_dict``, ``message_hub``, ``optimizer``,
``param_schedulers``; ours beside them are ``train_loop``, ``rng``, ``pass_rng`` (the generators as
the pass over the data began, in its middle) and ``accumulation`` (the gradients of a step that is
not made yet).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import nn

from engine_config import Config
from engine_dist import (
    all_gather_object,
    get_rank,
    get_rng_state,
    get_world_size,
)
from engine_dist.checkpoint import CheckpointError
from engine_dist.strategies import Strategy
from engine_runner.logging import MessageHub
from engine_runner.loops import TrainLoop

__all__ = ["ResumeError", "TrainingParts", "capture", "restore"]

logger = logging.getLogger("engine.runner")

Schedulers = Sequence[Any] | Mapping[str, Sequence[Any]]


class ResumeError(CheckpointError, ValueError):
    """A checkpoint that can be read, but that this run cannot go on from."""


class TrainingParts(Protocol):
    """The parts of a runner that a checkpoint holds."""

    cfg: Config
    message_hub: MessageHub
    strategy: Strategy
    model: nn.Module

    @property
    def optim_wrapper(self) -> Any: ...
    @property
    def param_schedulers(self) -> Schedulers: ...
    @property
    def train_loop(self) -> TrainLoop: ...
    @property
    def seed(self) -> int: ...
    @property
    def experiment_name(self) -> str: ...


def capture(
    run: TrainingParts, *, optimizer: bool = True, schedulers: bool = True
) -> dict[str, Any]:
    """Return the state of a run; every rank takes part."""
    run.optim_wrapper.settle()
    run.optim_wrapper.eval()  # the next step switches back
    progress = run.train_loop.state_dict()
    state: dict[str, Any] = {
        "meta": {
            "cfg": run.cfg.pretty_text,
            "epoch": progress["epoch"],
            "iter": progress["iter"],
            "seed": run.seed,
            "world_size": get_world_size(),
            "experiment_name": run.experiment_name,
            "time": time.strftime("%Y%m%d_%H%M%S"),
        },
        "state_dict": run.strategy.model_state_dict(run.model),
        "message_hub": run.message_hub.state_dict(),
        "train_loop": progress,
        "rng": all_gather_object(get_rng_state()),
    }
    begun = all_gather_object(run.train_loop.pass_rng)
    if None not in begun:
        state["pass_rng"] = begun
    if optimizer:
        state["optimizer"] = run.optim_wrapper.state_dict()
        gathered = run.optim_wrapper.accumulation_state()
        if gathered is not None:
            state["accumulation"] = gathered
    if schedulers:
        state["param_schedulers"] = _each(run.param_schedulers, lambda s: s.state_dict())
    return state


def restore(
    run: TrainingParts,
    state: Mapping[str, Any],
    *,
    optimizer: bool = True,
    schedulers: bool = True,
) -> None:
    """Put a run, whose weights are loaded already, where ``state`` was captured.

    Raises
    ------
    ResumeError
        If the checkpoint holds no training state, or that of other schedules.
    """
    if "meta" not in state or "iter" not in state["meta"]:
        raise ResumeError(
            "the checkpoint holds weights but no training state (no meta['iter']); "
            "use load_from to start from weights"
        )
    meta = state["meta"]
    run.train_loop.load_state_dict(
        state.get("train_loop", {"epoch": meta["epoch"], "iter": meta["iter"]})
    )
    if "message_hub" in state:
        run.message_hub.load_state_dict(state["message_hub"])
    if optimizer and "optimizer" in state:
        run.optim_wrapper.load_state_dict(state["optimizer"])
        if "accumulation" in state:
            run.optim_wrapper.load_accumulation_state(state["accumulation"])
    if schedulers and "param_schedulers" in state:
        _restore_schedulers(run.param_schedulers, state["param_schedulers"])
    _restore_rng(run.train_loop, state.get("rng"), state.get("pass_rng"))


def _restore_rng(
    loop: TrainLoop,
    states: Sequence[dict[str, Any]] | None,
    begun: Sequence[dict[str, Any]] | None,
) -> None:
    if states is None or len(states) != get_world_size():
        saved = "none" if states is None else str(len(states))
        logger.warning(
            "the random state is not restored: the checkpoint holds that of %s processes, this "
            "run has %d", saved, get_world_size(),
        )  # fmt: skip
        return
    loop.set_rng(states[get_rank()], begun[get_rank()] if begun else None)


def _each(schedulers: Schedulers, what: Any) -> Any:
    if isinstance(schedulers, Mapping):
        return {name: [what(s) for s in members] for name, members in schedulers.items()}
    return [what(s) for s in schedulers]


def _restore_schedulers(schedulers: Schedulers, states: Any) -> None:
    if isinstance(schedulers, Mapping):
        for name, members in schedulers.items():
            _restore_schedulers(members, states[name])
        return
    if len(schedulers) != len(states):
        raise ResumeError(
            f"the checkpoint holds {len(states)} parameter schedulers and this run has "
            f"{len(schedulers)}; resume with the param_scheduler that the run was started with"
        )
    for scheduler, state in zip(schedulers, states, strict=True):
        scheduler.load_state_dict(state)
