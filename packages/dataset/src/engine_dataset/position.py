"""Where in the data a loader stands, and how it is put back there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from engine_dataset.iterable import SplitStream
from engine_dist import get_world_size

__all__ = ["get_loader_state", "resumable", "set_loader_state"]

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
        Batches of the pass that were behind when that iterator began, after a resume. Only a
        loader that has a state of its own needs to be told.
    """
    sampler, batch_size = resumable(loader), _batch_size(loader)
    if hasattr(loader, "state_dict"):
        return {"consumed": behind + consumed, "loader": loader.state_dict()}
    state: dict[str, Any] = {"consumed": consumed}
    if sampler is not None and batch_size is not None:
        state["sampler"] = sampler.state_dict(consumed * batch_size)
    return state


def set_loader_state(loader: Any, state: Mapping[str, Any]) -> int:
    """Let the next pass give what was left when ``state`` was taken; later ones are whole.

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
    if state.get("consumed", 0):
        logger.warning(
            "the position in the data is not restored: %s has no sampler of this engine; "
            "the pass that was begun begins anew", type(loader).__name__,
        )  # fmt: skip
    return 0


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
