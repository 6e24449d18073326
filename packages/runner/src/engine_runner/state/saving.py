"""The state of a run, to and from one dictionary."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from engine_dist import all_gather_object, data_parallel, get_world_size
from engine_dist.checkpoint import CheckpointError
from engine_optim import OptimError
from engine_runner.protocols import SavedRun
from engine_runner.state.batch_change import follow_batch, samples_a_step
from engine_runner.state.overridden import Given, each_schedule
from engine_runner.state.parts import Part, parts_of
from engine_runner.state.schedule_course import (
    catch_up,
    driven_values,
    run_on,
    tell_of_ends,
)

__all__ = ["DamagedPartError", "capture", "restore", "restore_beside"]

logger = logging.getLogger("engine.runner")


def capture(
    run: SavedRun, *, optimizer: bool = True, schedulers: bool = True, weights: bool = True
) -> dict[str, Any]:
    """Return the state of a run; every rank takes part."""
    run.optim_wrapper.settle()
    run.optim_wrapper.eval()  # the next step switches back
    state: dict[str, Any] = {"meta": _meta(run)}
    if weights:
        state["state_dict"] = run.strategy.weights_to_save(run.model)
    for part in parts_of(run, optimizer=optimizer, schedulers=schedulers):
        own = part.save()
        if part.per_rank:
            every = all_gather_object(own)[:: data_parallel().copies]
            own = None if None in every else every
        if own is not None:
            state[part.key] = own
    state["meta"].update({key: state["train_loop"][key] for key in ("epoch", "iter")})
    return state


def _meta(run: SavedRun) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "cfg": run.cfg.pretty_text,
        "seed": run.seed,
        "world_size": get_world_size(),
        "experiment_name": run.experiment_name,
        "time": time.strftime("%Y%m%d_%H%M%S"),
    }
    samples = samples_a_step(run.train_loop.dataloader)
    if samples is not None:
        meta["global_batch_size"] = samples
    metainfo = getattr(getattr(run.train_loop.dataloader, "dataset", None), "metainfo", None)
    return meta if metainfo is None else {**meta, "dataset_meta": dict(metainfo)}


def restore(
    run: SavedRun, state: Mapping[str, Any], *, optimizer: bool = True, schedulers: bool = True
) -> None:
    """Put a run, whose weights are loaded already, where ``state``, which fits, was captured.

    Without the saved schedules, those of the configuration are brought to the same place.
    """
    meta, given, start = state["meta"], Given.of(run), driven_values(run)
    given.tell_of_seed(run, meta)
    held = {"train_loop": {key: meta[key] for key in ("epoch", "iter") if key in meta}, **state}
    parts = parts_of(run, optimizer=optimizer, schedulers=schedulers)
    for part in parts:
        if part.key in held:
            _load(part, held[part.key])
    _tell_of_lacks(run, held, parts)
    facts = state.get("message_hub", {}).get("runtime_info", {})
    if schedulers and "param_schedulers" in state:
        run_on(run, given, facts)
        given.tell_of_schedules(
            run, state["param_schedulers"], told=tell_of_ends(run, given, facts)
        )
        if optimizer and "optimizer" in state:  # else the rates are the configuration's
            follow_batch(run, meta)
    else:
        catch_up(run, start)
        tell_of_ends(run, given, facts)
    given.tell_of_optimizer(run)


def restore_beside(run: SavedRun, state: Mapping[str, Any]) -> None:
    """Put all of a run but weights, optimizer and schedules where ``state`` was captured."""
    meta = state["meta"]
    held = {"train_loop": {key: meta[key] for key in ("epoch", "iter") if key in meta}, **state}
    for part in parts_of(run, optimizer=False, schedulers=False):
        if part.key in held:
            _load(part, held[part.key])


class DamagedPartError(RuntimeError):
    """A part of a run could not take over what a checkpoint holds of it."""


def _load(part: Part, state: Any) -> None:
    place = data_parallel()
    if part.per_rank and len(state) != place.size:
        return
    try:
        part.load(state[place.rank] if part.per_rank else state)
    except (CheckpointError, OptimError):
        raise
    except Exception as error:  # whatever a hook of a user's own raises
        raise DamagedPartError(f"{part.key}: {type(error).__name__}: {error}") from error


def _tell_of_lacks(run: SavedRun, state: Mapping[str, Any], parts: list[Part]) -> None:
    """Tell at once what a checkpoint was saved without, and what of it nothing takes up."""
    lacks = [part.lack for part in parts if part.lack is not None and part.key not in state]
    lacks += [
        f"{part.key} of {len(state[part.key])} processes, and this run has {data_parallel().size}: it "
        "begins anew"
        for part in parts
        if part.per_rank
        and part.lack
        and part.key in state
        and len(state[part.key]) != data_parallel().size
    ]
    if "param_schedulers" not in state and any(each_schedule(run.param_schedulers)):
        lacks.append(
            "no schedules (save_param_scheduler=False): those of the configuration are brought to "
            f"epoch {run.train_loop.epoch}, iteration {run.train_loop.iter}"
        )
    if lacks:
        logger.warning("the checkpoint holds %s", "; ".join(lacks))
    known = {part.key for part in parts}
    left = sorted(k for k in state if k.startswith(("hooks.", "metrics.")) and k not in known)
    if left:
        logger.warning(
            "the checkpoint holds the state of what this run has not: %s; it is left out. Put it "
            "into custom_hooks or the evaluator to go on with it", ", ".join(left),
        )  # fmt: skip
    saved = state.get("rng")
    if saved is None or len(saved) != data_parallel().size:
        logger.warning(
            "the random state is not restored: the checkpoint holds that of %s processes, this "
            "run has %d", "none" if saved is None else len(saved), data_parallel().size,
        )  # fmt: skip
