"""One file, read by the main process alone; the others get their parts of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist.checkpoint import load_checkpoint_file
from engine_dist.checkpoint.agreement import Together
from engine_dist.checkpoint.folders import find_folder
from engine_dist.checkpoint.nesting import TreePath
from engine_dist.checkpoint.splits import Like
from engine_dist.collectives import broadcast
from engine_dist.late import is_dtensor
from engine_dist.object_collectives import broadcast_object_list
from engine_dist.ranks import is_main_process
from engine_dist.scattering import Scattering
from engine_dist.strategies.state_io.common import CommonState
from engine_dist.strategies.state_io.likeness import likeness

__all__ = ["ScatteredState"]

# A tensor of fewer numbers travels with the structure: a message of its own would cost more.
_SMALL = 4096


@dataclass(frozen=True)
class _Leaf:
    """Stands for a tensor until its values arrive, in the order of the structure.

    Attributes
    ----------
    split : bool
        Whether each process gets a part of it.
    """

    shape: torch.Size
    dtype: torch.dtype
    split: bool


class ScatteredState(CommonState):
    """The common forms, of a model that is split.

    Of a file, weights, averages of weights and what an optimizer holds of them are split as the
    parameters are, on their way: no process but the main one holds any of them whole.
    """

    def __init__(self) -> None:
        self._like: Like | None = None

    def learn(self, model: nn.Module, optimizer: Any) -> None:
        """Learn how a model is split, and in which order its optimizer has the parameters."""
        self._like = likeness(model, optimizer)

    def load(
        self, path: str | Path, map_location: str | torch.device, like: Like | None
    ) -> dict[str, Any]:
        """Read it, split as ``like`` says, or as the model that was learned is."""
        asked = self._like if like is None else like
        if asked is None:
            return super().load(path, map_location, None)
        together = Together(None, f"loading {path}")

        def read() -> Any:
            """Return the structure of the file, or that there is a folder, and its tensors."""
            if not is_main_process():
                return None, []
            if find_folder(path).is_dir():
                return None, []
            state = load_checkpoint_file(str(path), map_location=map_location)
            tensors: list[Tensor] = []
            return _outline(state, (), asked, tensors), tensors

        outline, tensors = together(read)
        box = [outline]
        broadcast_object_list(box)
        if box[0] is None:
            return super().load(path, map_location, asked)
        filled: dict[str, Any] = _filled(box[0], (), _Arriving(asked, tensors, map_location))
        return filled


def _outline(value: Any, path: TreePath, like: Like, tensors: list[Tensor]) -> Any:
    """Return a state with leaves in place of its large tensors, which are added to a list."""
    if isinstance(value, Tensor):
        target = like(path)
        split = is_dtensor(target) and target.shape == value.shape
        if not split and (value.numel() < _SMALL or value.layout != torch.strided):
            return value
        tensors.append(value)
        return _Leaf(value.shape, value.dtype, split)
    return _walked(value, path, lambda item, at: _outline(item, at, like, tensors))


def _filled(value: Any, path: TreePath, arriving: _Arriving) -> Any:
    """Return a structure with its leaves replaced by what arrives."""
    if isinstance(value, _Leaf):
        return arriving(value, path)
    return _walked(value, path, lambda item, at: _filled(item, at, arriving))


def _walked(value: Any, path: TreePath, change: Any) -> Any:
    """Return containers of the same kind, each entry changed."""
    if isinstance(value, Mapping):
        made: dict[Any, Any] = OrderedDict() if isinstance(value, OrderedDict) else {}
        made.update((key, change(item, (*path, key))) for key, item in value.items())
        if hasattr(value, "_metadata"):  # as torch keeps the versions of modules
            vars(made)["_metadata"] = value._metadata
        return made
    if type(value) in (list, tuple):
        return type(value)(change(item, (*path, place)) for place, item in enumerate(value))
    return value


class _Arriving:
    """Takes the tensors in the order in which they are sent."""

    def __init__(self, like: Like, tensors: list[Tensor], place: Any) -> None:
        self._like = like
        self._tensors = iter(tensors)
        self._place = place
        self._scatter = Scattering()

    def __call__(self, leaf: _Leaf, path: TreePath) -> Tensor:
        value = next(self._tensors) if is_main_process() else None
        if leaf.split:
            target: Any = self._like(path)
            return self._scatter(value, target, leaf.dtype)
        if value is None:
            value = torch.empty(leaf.shape, dtype=leaf.dtype, device=self._place)
        broadcast(value)
        return value
