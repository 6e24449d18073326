"""How much was trained on in how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

__all__ = ["Rates", "ThroughputMeter", "batch_size", "tokens_in"]


class Rates(NamedTuple):
    """What was done since the last time, on this rank.

    Attributes
    ----------
    samples, tokens : float
        A second.
    """

    samples: float
    tokens: float


class ThroughputMeter:
    """Counts samples and tokens, and the seconds that were training's.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._samples = 0
        self._tokens = 0
        self._start = 0.0
        self._paused: float | None = None

    def restart(self) -> None:
        """Count anew from now."""
        self._samples = self._tokens = 0
        self._start = self._clock()

    def add(self, samples: int, tokens: int) -> None:
        """Count what a step trained on."""
        self._samples += samples
        self._tokens += tokens

    def pause(self) -> None:
        """Let what follows be none of training's time."""
        self._paused = self._clock()

    def go_on(self) -> None:
        """End a pause."""
        if self._paused is not None:
            self._start += self._clock() - self._paused
            self._paused = None

    def rates(self) -> Rates | None:
        """Return the rates since the last restart, and restart; None where nothing was counted."""
        seconds = self._clock() - self._start
        found = None
        if seconds > 0 and self._samples:
            found = Rates(self._samples / seconds, self._tokens / seconds)
        self.restart()
        return found


def batch_size(batch: Any) -> int:
    """Return how many samples a batch holds, by its first part that has a length; 0 if none has.

    No tensor is read: the shape is known to the host.

    Examples
    --------
    >>> import torch
    >>> batch_size({"inputs": torch.zeros(4, 3), "scale": 2.0})
    4
    """
    if isinstance(batch, Tensor):
        return int(batch.shape[0]) if batch.ndim else 0
    if isinstance(batch, Mapping):
        return next(filter(None, map(_length, batch.values())), 0)
    if isinstance(batch, Sequence) and not isinstance(batch, str | bytes):
        return next(filter(None, map(_length, batch)), 0)
    return 0


def _length(part: Any) -> int:
    if isinstance(part, Tensor):
        return int(part.shape[0]) if part.ndim else 0
    return len(part) if isinstance(part, list | tuple) else 0


def tokens_in(batch: Any, key: str | None) -> int:
    """Return how many tokens an entry of a batch holds: the elements of its tensors.

    Raises
    ------
    KeyError
        If the batch has no such entry.
    """
    if key is None:
        return 0
    if not isinstance(batch, Mapping) or key not in batch:
        known = sorted(batch) if isinstance(batch, Mapping) else type(batch).__name__
        raise KeyError(f"token_key={key!r} names no entry of the batch, which has {known}")
    entry = batch[key]
    parts = [entry] if isinstance(entry, Tensor) else list(entry)
    return sum(part.numel() if isinstance(part, Tensor) else len(part) for part in parts)
