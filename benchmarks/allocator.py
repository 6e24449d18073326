"""The most that torch's allocator of host memory has given out, by torch's profiler."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile, record_function

__all__ = ["Allocated", "allocated"]

_MARK = "the second step"


@dataclass
class Allocated:
    """What was given out, known once all is done.

    Attributes
    ----------
    peak : int
        The most bytes at a time, of those since the beginning, from the mark on.
    """

    peak: int = 0

    def mark(self) -> None:
        """Say that what follows counts."""
        with record_function(_MARK):
            torch.empty(1)


@contextmanager
def allocated() -> Iterator[Allocated]:
    """Follow the allocator of what is made inside; buffers of kernels and collectives too."""
    found = Allocated()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            yield found
        events = profiled.profiler.kineto_results.experimental_event_tree()
    marked, sizes = 0, []
    pending = list(events)
    while pending:
        event = pending.pop()
        pending += event.children
        if event.name == _MARK:
            marked = max(marked, event.start_time_ns)
        if event.name == "[memory]":
            fields = event.extra_fields
            if fields.device.type == "cpu":
                sizes.append((event.start_time_ns, fields.total_allocated, fields.alloc_size))
    sizes.sort()
    before = sizes[0][1] - sizes[0][2] if sizes else 0  # torch counts on from one time to the next
    found.peak = max((size - before for begun, size, _ in sizes if begun >= marked), default=0)
