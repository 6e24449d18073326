"""Like which tensor of a training each one in its checkpoint is split over the processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from engine_dist.checkpoint.nesting import TreePath
from engine_dist.checkpoint.splits import Like
from engine_dist.scattering import split_tensors
from engine_dist.wrappers.unwrapping import unwrap

__all__ = ["likeness"]

# what of a checkpoint stands by the place of a parameter: of the optimizer, of an accumulation
_BY_PLACE = {"optimizer": "state", "accumulation": "grads"}


def likeness(model: nn.Module, optimizer: Any) -> Like | None:
    """Return what tells it by where a tensor stands; None where nothing of the model is split.

    Weights, and averages of them, are known by name; what an optimizer and an accumulation have
    gathered, by the place of their parameter.

    Parameters
    ----------
    model : nn.Module
        The model, in its place.
    optimizer : Any
        What has ``param_groups``, or such by name; or None.
    """
    named = split_tensors(unwrap(model).named_parameters(remove_duplicate=False))
    if not named:
        return None
    placed = dict(_placed(optimizer))

    def like(path: TreePath) -> Tensor | None:
        if path and path[0] in _BY_PLACE:
            where = path.index(own) if (own := _BY_PLACE[str(path[0])]) in path else len(path)
            return placed.get((*path[1:where], *path[where + 1 : where + 2]))
        last = path[-1] if path else None
        if not isinstance(last, str):
            return None
        return named.get(last, named.get(last.removeprefix("module.")))

    return like


def _placed(optimizer: Any) -> Iterator[tuple[TreePath, Tensor]]:
    """Yield each parameter of an optimizer by its place, behind the name of one of several."""
    groups = getattr(optimizer, "param_groups", None) or ()
    several = groups.items() if isinstance(groups, Mapping) else [(None, groups)]
    for name, own in several:
        at = () if name is None else (str(name),)
        params = [param for group in own for param in group["params"]]
        yield from (((*at, place), param) for place, param in enumerate(params))
