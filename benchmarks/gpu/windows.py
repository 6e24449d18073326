"""What the profiler sees of some iterations: copies from the host, and waits for the device."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile, record_function

__all__ = ["Counts", "Event", "Window", "count", "synchronise", "waits"]

MARK = "gpu_checks.window"
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
ROOT = Path(__file__).parents[2]


class Event(NamedTuple):
    """What is looked at of an event of the profiler; times in µs."""

    name: str
    start: float
    end: float
    on_device: bool


@dataclass(frozen=True)
class Counts:
    """Of one iteration, on average.

    Attributes
    ----------
    host_to_device, device_to_host : float
        Copies.
    pageable : float
        Copies of either way that wait as their memory is not pinned.
    synchronisations : float
        Calls that wait for the device.
    scalar_reads : float
        Numbers that Python reads of tensors, each a wait where the tensor is on the device.
    """

    host_to_device: float
    device_to_host: float
    pageable: float
    synchronisations: float
    scalar_reads: float


def count(events: Iterable[Event], iterations: int) -> Counts:
    """Count what happened between the marks of a window.

    What the host does is of the window while it is open; what the device does, from its start on,
    for it comes later.
    """
    known = list(events)
    (mark,) = (event for event in known if event.name == MARK and not event.on_device)
    device = [e.name for e in known if e.on_device and e.start >= mark.start]
    host = [
        e.name for e in known if not e.on_device and mark.start <= e.start and e.end <= mark.end
    ]
    return Counts(
        *(
            number / iterations
            for number in (
                sum(name.startswith("Memcpy HtoD") for name in device),
                sum(name.startswith("Memcpy DtoH") for name in device),
                sum(name.startswith("Memcpy") and "Pageable" in name for name in device),
                sum(name in WAITS for name in host),
                sum(name == "aten::_local_scalar_dense" for name in host),
            )
        )
    )


class Window:
    """Profiles what runs between `open` and `close`."""

    def __init__(self) -> None:
        activities = [ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(ProfilerActivity.CUDA)
        # torch leaves their methods untyped
        self._profile: Any = profile(activities=activities)
        self._mark: Any = record_function(MARK)

    def open(self) -> None:
        """Begin, when the device has done all before."""
        synchronise()
        self._profile.__enter__()
        self._mark.__enter__()

    def close(self, iterations: int) -> Counts:
        """End, and return what there was of so many iterations."""
        self._mark.__exit__(None, None, None)
        synchronise()
        self._profile.__exit__(None, None, None)
        return count(map(_event, self._profile.events()), iterations)


def _event(event: Any) -> Event:
    on_device = event.device_type.name != "CPU"
    return Event(event.name, event.time_range.start, event.time_range.end, on_device)


def synchronise() -> None:
    """Wait for the device, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@contextmanager
def waits() -> Iterator[list[str]]:
    """Note where in the code the device is waited for, by torch's own check; at the end."""
    found: list[str] = []
    cuda = torch.cuda.is_available()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if cuda:
            torch.cuda.set_sync_debug_mode("warn")
        yield found
        if cuda:
            torch.cuda.set_sync_debug_mode("default")
    places = {
        f"{_short(w.filename)}:{w.lineno}" for w in told if "synchronizing" in str(w.message)
    }
    found += sorted(places)


def _short(filename: str) -> str:
    file = Path(filename)
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else "/".join(file.parts[-3:])
