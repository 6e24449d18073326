"""What a collective sends, by its name and the sizes of what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch._C._distributed_c10d import _resolve_process_group
from torch.distributed import distributed_c10d
from torch.utils._pytree import tree_leaves

__all__ = ["Sent", "sent_by"]


@dataclass(frozen=True)
class Sent:
    """A call of a collective: which, and how many bytes a process sends in it."""

    name: str
    bytes: float


# of all that is to be known in the end by `whole` bytes, what one of n processes in a ring sends
_SHARES: Mapping[str, Callable[[int], float]] = {
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "all-gather": lambda n: (n - 1) / n,
    "reduce-scatter": lambda n: (n - 1) / n,
    "broadcast": lambda n: (n - 1) / n,
    "reduce": lambda n: (n - 1) / n,
    "all-to-all": lambda n: (n - 1) / n,
    "send": lambda n: 1.0,
}
# the collective, and which of the arguments is the whole
_KNOWN: Mapping[str, tuple[str, int]] = {
    "allreduce_": ("all-reduce", 0),
    "allreduce_coalesced_": ("all-reduce", 0),
    "broadcast_": ("broadcast", 0),
    "reduce_": ("reduce", 0),
    "allgather_": ("all-gather", 0),
    "_allgather_base_": ("all-gather", 0),
    "allgather_into_tensor_coalesced_": ("all-gather", 0),
    "reduce_scatter_": ("reduce-scatter", 1),
    "_reduce_scatter_base_": ("reduce-scatter", 1),
    "reduce_scatter_tensor_coalesced_": ("reduce-scatter", 1),
    "alltoall_": ("all-to-all", 1),
    "alltoall_base_": ("all-to-all", 1),
    "send": ("send", 0),
}
# of the functional ones only a part may be given: how many times it makes the whole
_FUNCTIONAL: Mapping[str, tuple[str, bool]] = {
    "all_reduce": ("all-reduce", False),
    "all_reduce_": ("all-reduce", False),
    "all_reduce_coalesced": ("all-reduce", False),
    "broadcast": ("broadcast", False),
    "broadcast_": ("broadcast", False),
    "all_gather_into_tensor": ("all-gather", True),
    "all_gather_into_tensor_out": ("all-gather", True),
    "all_gather_into_tensor_coalesced": ("all-gather", True),
    "reduce_scatter_tensor": ("reduce-scatter", False),
    "reduce_scatter_tensor_coalesced": ("reduce-scatter", False),
    "all_to_all_single": ("all-to-all", False),
    "shard_dim_alltoall": ("all-to-all", False),
}


def sent_by(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sent | None:
    """Return what an operation sends; None where it is no collective, or sends nothing."""
    name = func.overloadpacket.__name__
    if func.namespace == "c10d" and name in _KNOWN:
        what, place = _KNOWN[name]
        size, whole = _group_size(args), _bytes(args[place])
    elif func.namespace in ("_c10d_functional", "_dtensor") and name in _FUNCTIONAL:
        what, is_part = _FUNCTIONAL[name]
        named = [one for one in (*args, *kwargs.values()) if isinstance(one, str)]
        resolve: Any = _resolve_process_group
        size = resolve(named[-1]).size()
        whole = _bytes(args[0]) * (size if is_part else 1)
    else:
        return None
    return Sent(what, whole * _SHARES[what](size)) if size > 1 else None


def _group_size(args: tuple[Any, ...]) -> int:
    for one in args:
        if hasattr(one, "_type") or type(one).__name__ == "ScriptObject":
            try:
                return distributed_c10d.ProcessGroup.unbox(one).size()
            except RuntimeError:  # another object, such as the operation of a reduction
                continue
    return distributed_c10d.get_world_size()


def _bytes(given: Any) -> int:
    tensors = [one for one in tree_leaves(given) if isinstance(one, Tensor)]
    return sum(one.numel() * one.element_size() for one in tensors)
