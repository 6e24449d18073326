"""Where in the data a loader stands, and how it is put back there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from engine_dataset.iterable import SplitStream
from engine_dist import get_world_size

__all__ = ["get_loader_state", "later_pass", "resumable", "seekable", "set_loader_state"]

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
    if sampler is not None and batch_size is not None:
        return {"consumed": consumed, "sampler": sampler.state_dict(consumed * batch_size)}
    # the next iterator gives the same batches where these are the same
    return {"consumed": behind + consumed, "batch_size": batch_size, "ranks": get_world_size()}


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
        if hasattr(loader, "renew"):
            loader.renew()
        return int(state["sampler"]["position"]) // (batch_size * get_world_size())
    consumed = int(state.get("consumed", 0))
    dealt = {"batch_size": batch_size, "ranks": get_world_size()}
    if not seekable(loader) and all(state.get(key) == value for key, value in dealt.items()):
        return consumed
    if consumed:
        logger.warning(
            "the position in the data is not restored: %s; the pass that was begun begins anew",
            _why_not(loader, state, dealt),
        )
    return 0


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


def _batch_size(loader: Any) -> int | None:
    batches = getattr(loader, "batch_sampler", None)
    size = getattr(loader, "batch_size", None)
    if size is None:
        # without batches every sample is one
        size = getattr(batches, "batch_size", None if batches is not None else 1)
    return size if isinstance(size, int) else None
