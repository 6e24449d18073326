"""The last collectives of this process, for when one of them never ends.

Torch keeps a record of its own, the flight recorder, of all that goes over NCCL and, in newer versions, over
gloo: those of a backward pass and of sharding too. Calls of this package are recorded besides.
"""

from __future__ import annotations

import os
import pickle
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import _C, Tensor

__all__ = ["Call", "default_position", "last_collectives", "record", "turn_on"]

_KEPT = 64
_BUFFER = "2000"
_OF_ALL = ("0", "default_pg")
_DUMPS = ("_dump_nccl_trace", "_dump_fr_trace")


@dataclass(slots=True)
class Call:
    """A call of one of this package's collectives."""

    number: int
    name: str
    tensor: tuple[torch.Size, torch.dtype] | None  # of its first argument
    begun: float = field(default_factory=time.time)
    ended: float | None = None

    def __str__(self) -> str:
        took = (
            "not ended" if self.ended is None else f"ended after {self.ended - self.begun:.3f} s"
        )
        what = "" if self.tensor is None else f" {list(self.tensor[0])} {self.tensor[1]}"
        return f"call {self.number}: {self.name}{what}, begun at {_clock(self.begun)}, {took}"


_calls: deque[Call] = deque(maxlen=_KEPT)


def turn_on() -> None:
    """Let torch record, where it does so only if it is told before a group is made."""
    if not hasattr(_C._distributed_c10d, "_dump_fr_trace"):
        os.environ.setdefault("TORCH_NCCL_TRACE_BUFFER_SIZE", _BUFFER)


def record(number: int, name: str, args: tuple[Any, ...]) -> Call:
    """Note that a call begins; its end is for the caller to note."""
    first = args[0] if args else None
    tensor = (first.shape, first.dtype) if isinstance(first, Tensor) else None
    call = Call(number, name, tensor)
    _calls.append(call)
    return call


def forget() -> None:
    """Forget the calls, of a group that is no more."""
    _calls.clear()
    _group.since, _group.number = time.time_ns(), None


def default_position() -> int | None:
    """Return how many collectives of the group of all ranks torch has begun; None if unknown."""
    if _group.number is None:
        _group.find()
    positions = [
        status[_group.number]["last_enqueued_collective"]
        for status in (dump.get("pg_status", {}) for dump in _dumps(collectives=False))
        if _group.number in status
    ]
    return max(positions, default=None)


@dataclass
class _Group:
    """The group of all ranks by torch's number, which goes on from that of groups that are no more."""

    since: int = 0  # in ns
    number: str | None = None

    def find(self) -> None:
        entries = (entry for dump in _dumps(collectives=True) for entry in dump.get("entries", ()))
        for entry in entries:
            recent = entry.get("time_created_ns", 0) >= self.since
            if recent and tuple(entry.get("process_group", ())) == _OF_ALL:
                self.number = str(entry["pg_id"])


_group = _Group()


def last_collectives(most: int = 20) -> list[str]:
    """Return a line for each of the last collectives, the newest last."""
    entries = [entry for dump in _dumps(collectives=True) for entry in dump.get("entries", ())]
    entries.sort(key=lambda entry: entry.get("time_created_ns", 0))
    by_torch = [_described(entry) for entry in entries[-most:]]
    own = [f"  {call}" for call in list(_calls)[-most:]]
    return [
        "last collectives, by torch's flight recorder:", *(by_torch or ["  none is recorded"]),
        "last calls of engine_dist:", *(own or ["  none"]),
    ]  # fmt: skip


def _dumps(collectives: bool) -> list[dict[str, Any]]:
    found = []
    for name in _DUMPS:
        dump = getattr(_C._distributed_c10d, name, None)
        with suppress(Exception):  # of a build without it, or a backend that records nothing
            if dump is not None:
                # torch's own bytes, of this very process
                found.append(pickle.loads(dump(collectives, False, False)))
    return found


def _described(entry: dict[str, Any]) -> str:
    group = entry.get("process_group", ("?", "?"))
    ended = entry.get("retired") or entry.get("state") == "completed"
    return (
        f"  collective {entry.get('collective_seq_id')} of group {group[0]} ({group[1]}): "
        f"{entry.get('profiling_name')} {entry.get('input_sizes')} {entry.get('input_dtypes')}, "
        f"begun at {_clock(entry.get('time_created_ns', 0) / 1e9)}, "
        f"{'no longer waited for' if ended else 'not ended'}"
    )


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f"{seconds % 1:.3f}"[1:]
