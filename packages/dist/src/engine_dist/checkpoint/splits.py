"""Tensors that are split over processes, in a state of any shape: made whole, told apart, split anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.distributed import ProcessGroup

from engine_dist.checkpoint.nesting import TreePath
from engine_dist.late import is_dtensor
from engine_dist.ranks import get_rank

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = ["Like", "is_split", "mapped", "own_part", "whole"]

#: Given where a value stands in a checkpoint, returns a tensor that it is to be split like, or None
Like = Callable[[TreePath], "Tensor | None"]


def is_split(value: object) -> bool:
    """Tell whether a value is a tensor of which this process holds a part."""
    return isinstance(value, Tensor) and type(value) not in (Tensor, torch.nn.Parameter)


def mapped(value: Any, change: Callable[[TreePath, Tensor], Any], path: TreePath = ()) -> Any:
    """Return a state with each tensor changed; containers are new ones of the same kind."""
    if isinstance(value, Tensor):
        return change(path, value)
    if isinstance(value, Mapping):
        made: Any = OrderedDict() if isinstance(value, OrderedDict) else {}
        made.update((key, mapped(item, change, (*path, key))) for key, item in value.items())
        if hasattr(value, "_metadata"):  # as torch keeps the versions of modules
            made._metadata = value._metadata
        return made
    if isinstance(value, (list, tuple)):
        items_of = [mapped(item, change, (*path, index)) for index, item in enumerate(value)]
        return items_of if type(value) is list else tuple(items_of)
    return value


@torch.no_grad()
def whole(state: Mapping[str, Any], group: ProcessGroup | None = None) -> dict[str, Any]:
    """Return a state with each split tensor put together on the host of the main process, those that are tied once.

    Every process calls it; on the others it returns what is not needed there, nothing.
    """
    main = get_rank(group) == 0
    done: dict[Any, Tensor | None] = {}

    def put_together(path: TreePath, value: Tensor) -> Any:
        if not is_dtensor(value):
            return value
        key = _identity(value)
        if key not in done:
            full = value.full_tensor()
            done[key] = full.cpu() if main else None
        return done[key]

    made: dict[str, Any] = mapped(state, put_together)
    return made if main else {}


def _identity(value: DTensor) -> tuple[Any, ...]:
    """Return what the names of one tensor share, of an empty part too, which has no address."""
    mine: Any = value.to_local()
    return mine.untyped_storage()._cdata, mine.storage_offset(), value.shape


def own_part(state: Mapping[str, Any], group: ProcessGroup | None = None) -> dict[str, Any]:
    """Return what of a state this process writes to a folder.

    All of what is not split is the main process', whose replica, counts and scalars are those that
    a checkpoint of one file holds: other processes' may differ, and would be mixed with them.
    """
    if get_rank(group) == 0:
        return dict(state)
    made: dict[str, Any] = mapped(state, lambda _, value: value if is_split(value) else None)
    return made
