"""What the main process holds whole, split over all as tensors there are split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as torch_dist
from torch import Tensor

from engine_dist.data_device import get_comm_device
from engine_dist.late import is_dtensor
from engine_dist.object_collectives import all_gather_object
from engine_dist.ranks import is_main_process
from engine_dist.watch import noted

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = ["Scattering", "split_like", "split_tensors"]


@dataclass(frozen=True)
class _Span:
    """A box within a tensor: where it begins and how large it is, in each dimension."""

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, tensor: DTensor) -> _Span:
        ask: Any = tensor
        (chunk,) = ask.__create_chunk_list__()  # as torch's checkpoints do
        return cls(tuple(chunk.offsets), tuple(chunk.sizes))

    def cut(self, whole: Tensor) -> Tensor:
        """Return a view of what lies within."""
        for dim, (start, size) in enumerate(zip(self.offsets, self.sizes, strict=True)):
            whole = whole.narrow(dim, min(start, whole.shape[dim]), size)
        return whole


def split_like(value: Any, like: Any) -> Any:
    """Return a whole tensor split as another of its shape is; whatever else as it is.

    Nothing is communicated: each process has the whole.
    """
    if not is_dtensor(like) or is_dtensor(value):
        return value
    if not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    made = _empty_like(like, value.dtype)
    with torch.no_grad():
        made.to_local().copy_(_Span.of(like).cut(value))
    return made


def _empty_like(like: DTensor, dtype: torch.dtype) -> DTensor:
    made: Any = torch.empty_like(like, dtype=dtype, requires_grad=False)
    split: DTensor = made
    return split


class Scattering:
    """Sends each process its parts of what the main process alone holds.

    Every process makes one, and calls it with the same tensors in the same order. The main process
    needs the memory of the whole, the others that of their own part.
    """

    def __init__(self) -> None:
        self._spans: dict[int, tuple[DTensor, list[_Span]]] = {}

    @torch.no_grad()
    @noted
    def __call__(self, whole: Tensor | None, like: DTensor, dtype: torch.dtype) -> DTensor:
        """Return a tensor split as another is, with the values of the main process'.

        Parameters
        ----------
        whole : Tensor, optional
            The values; looked at on the main process.
        like : DTensor
            What it is split like.
        dtype : torch.dtype
            Their type, the same on every process.
        """
        made = _empty_like(like, dtype)
        mine, spans = made.to_local(), self._spans_of(like)
        if is_main_process():
            assert whole is not None  # for the type checker: it is the main process'
            mine.copy_(spans[0].cut(whole))
            _send(whole, spans)
        elif mine.numel():
            torch_dist.recv(received := torch.empty_like(mine, device=get_comm_device()), 0)
            mine.copy_(received)
        return made

    def _spans_of(self, like: DTensor) -> list[_Span]:
        """Return the part of each process, asked for once; the tensor is kept, so that it is it."""
        if id(like) not in self._spans:
            self._spans[id(like)] = like, all_gather_object(_Span.of(like))
        return self._spans[id(like)][1]


def _send(whole: Tensor, spans: list[_Span]) -> None:
    for rank, span in enumerate(spans[1:], 1):
        part = span.cut(whole)
        if part.numel():
            torch_dist.send(part.to(get_comm_device()).contiguous(), rank)


def split_tensors(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, DTensor]:
    """Return those that are split."""
    return {name: tensor for name, tensor in tensors if is_dtensor(tensor)}
