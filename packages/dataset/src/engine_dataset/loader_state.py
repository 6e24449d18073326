"""Where in the data a loader stands, and how it is put back there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from engine_dataset.iterable import SplitStream
from engine_dataset.samplers import InfiniteSampler
from engine_dataset.worker_rng import Start, WorkerStates, start_of
from engine_dist import data_parallel

__all__ = [
    "find_loader_state",
    "get_loader_state",
    "later_pass",
    "resumable",
    "seekable",
    "set_loader_state",
    "set_worker_states",
]

logger = logging.getLogger("engine.dataset")


def get_loader_state(loader: Any, *, consumed: int, behind: int = 0) -> dict[str, Any]:
    """Return where a loader stands after some batches of a pass, as plain values.

    Parameters
    ----------
    loader : Any
        What gives the batches. One that has a state of its own, such as torchdata's
        ``StatefulDataLoader``, is asked for it.
    consumed : int
        Batches taken from its iterator of now. What workers have drawn further does not count.
    behind : int
        Batches of the pass that were behind when that iterator began, after a resume. A loader
        whose sampler knows its place needs not be told.
    """
    sampler, batch_size = resumable(loader), _batch_size(loader)
    if hasattr(loader, "state_dict"):
        return {"consumed": behind + consumed, "loader": loader.state_dict()}
    # the next iterator gives the same batches where these are the same
    state = {
        "consumed": behind + consumed,
        "batch_size": batch_size,
        "ranks": data_parallel().size,
    }
    known, under_way = False, behind + consumed > 0
    if sampler is not None and batch_size is not None:
        place = sampler.state_dict(consumed * batch_size)
        state, known = {"consumed": behind + consumed, "sampler": place}, True
        under_way = place["position"] > 0
    workers: WorkerStates | None = getattr(loader, "worker_states", None)
    saved = workers and workers.at(consumed, seekable=known, under_way=under_way)
    return {**state, "workers": saved} if saved else state


def find_loader_state(loader: Any, batches: int) -> tuple[int, dict[str, Any] | None]:
    """Return where a loader stands after so many batches in all, of which nothing else was saved.

    A sampler that counts epochs is set to the one that this is in.

    Returns
    -------
    passes : int
        The whole passes that they make.
    state : dict, optional
        As `get_loader_state` of the pass after these; None where nobody can tell.
    """
    sampler, length = resumable(loader), _length(loader)
    if length is None or hasattr(loader, "load_state_dict"):
        logger.warning(
            "the position in the data is not restored: %d batches were read, and where that is a "
            "%s cannot tell without a state of its own; its data begins anew",
            batches, type(loader).__name__,
        )  # fmt: skip
        return 0, None
    endless = isinstance(sampler, InfiniteSampler)
    passes, rest = (0, batches) if endless else divmod(batches, length)
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(passes)
    return passes, get_loader_state(loader, consumed=rest)


def seekable(loader: Any) -> bool:
    """Tell whether a pass of a loader can begin in its middle; others must be read up to there."""
    if hasattr(loader, "load_state_dict"):
        return True
    return resumable(loader) is not None and _batch_size(loader) is not None


def set_loader_state(loader: Any, state: Mapping[str, Any]) -> int:
    """Let the next pass give what was left when ``state`` was taken; later ones are whole.

    A loader that is not `seekable` begins anew: read past as many batches as are behind.

    Returns
    -------
    int
        How many batches of this run's size the pass is behind already.
    """
    sampler, batch_size = resumable(loader), _batch_size(loader)
    if "loader" in state and hasattr(loader, "load_state_dict"):
        loader.load_state_dict(state["loader"])
        return int(state["consumed"])
    if "sampler" in state and sampler is not None and batch_size is not None:
        sampler.load_state_dict(dict(state["sampler"]))
        behind = int(state["sampler"]["position"]) // (batch_size * data_parallel().size)
        if hasattr(loader, "renew"):
            loader.renew(behind)
        set_worker_states(loader, state.get("workers"), behind)
        return behind
    consumed = int(state.get("consumed", 0))
    dealt = {"batch_size": batch_size, "ranks": data_parallel().size}
    if not seekable(loader) and all(state.get(key) == value for key, value in dealt.items()):
        set_worker_states(loader, state.get("workers"), consumed)
        return consumed
    if consumed:
        logger.warning(
            "the position in the data is not restored: %s; the pass that was begun begins anew",
            _why_not(loader, state, dealt),
        )
    return 0


def set_worker_states(loader: Any, saved: Mapping[str, Any] | None, behind: int) -> None:
    """Let the workers of the next pass draw on as those did that a state was taken of.

    Parameters
    ----------
    loader : Any
        What gives the batches, put in its place already.
    saved : Mapping, optional
        What `get_loader_state` has as ``workers``, on the rank that this is.
    behind : int
        Batches of the pass that are behind. Without any only persistent workers draw on.

    Raises
    ------
    ValueError
        If it is no such state.
    """
    states: WorkerStates | None = getattr(loader, "worker_states", None)
    now, start = states.workers if states else 0, start_of(saved) if saved else None
    was = len(start.states) if start else 0
    if states and start and was == now:
        if behind or states.persistent:
            loader.renew(behind, start if behind else Start(start.states))
    elif was != now and behind and (start is None or any(map(any, start.states))):
        logger.warning(
            "the random numbers of the loader's workers are not restored: there were %d workers, "
            "and are %d; what samples draw from here on begins from fresh seeds", was, now
        )  # fmt: skip


def _why_not(loader: Any, state: Mapping[str, Any], dealt: Mapping[str, Any]) -> str:
    kind = type(loader).__name__
    if seekable(loader) or not all(key in state for key in dealt):
        return f"it was saved of another kind of loader than this {kind}"
    changed = "; ".join(
        f"{key} was {state[key]} and is {value}"
        for key, value in dealt.items() if state[key] != value
    )  # fmt: skip
    return f"{kind} has no sampler of this engine, and {changed}"


@contextmanager
def later_pass(loader: Any) -> Iterator[None]:
    """Within, a loader begins a pass as one that has begun passes before.

    The seed of persistent workers is drawn where they start: in an unbroken run with the first
    pass, in a resumed one with a later pass, which then must not draw one more number than it did.
    """
    inner = getattr(loader, "inner", loader)
    if not getattr(inner, "persistent_workers", False) or inner.generator is not None:
        yield
        return
    inner.generator = torch.Generator().manual_seed(torch.initial_seed())
    try:
        yield
    finally:
        inner.generator = None


def resumable(loader: Any) -> Any:
    """Return what knows the loader's place in the data: a sampler, or a stream."""
    dataset = getattr(loader, "dataset", None)
    if isinstance(dataset, SplitStream):
        return dataset
    for sampler in (
        getattr(loader, "sampler", None),
        getattr(getattr(loader, "batch_sampler", None), "sampler", None),
    ):
        if hasattr(sampler, "load_state_dict") and hasattr(sampler, "state_dict"):
            return sampler
    return None


def _length(loader: Any) -> int | None:
    """Return how many batches a pass has, or None where it cannot be known."""
    try:
        return len(loader) or None
    except TypeError:
        return None


def _batch_size(loader: Any) -> int | None:
    batches = getattr(loader, "batch_sampler", None)
    size = getattr(loader, "batch_size", None)
    if size is None:
        # without batches every sample is one
        size = getattr(batches, "batch_size", None if batches is not None else 1)
    return size if isinstance(size, int) else None
