"""The random numbers of workers: seeded once, known behind every batch, taken up by a resume.

A worker sends with each batch the states of those generators that have moved since its last one.
The main process notes them, and does nothing else; `WorkerStates.at` says what a checkpoint keeps.
"""

from __future__ import annotations

import ctypes
import random
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import MT19937, mtrand

__all__ = ["Start", "WorkerStates", "Working", "start_of"]

States = tuple[bytes | None, bytes | None, bytes | None]
"""Of Python's, numpy's and torch's generator; None for one that stands as its seed left it."""

_UNMOVED: States = (None, None, None)
_NAMES = ("python", "numpy", "torch")
_WORDS = 624
_SIZES = (struct.calcsize("?d") + 4 * (_WORDS + 1), struct.calcsize("iid") + 4 * _WORDS)


@dataclass
class Start:
    """What workers that begin go on from.

    Attributes
    ----------
    states : list of States
        Of each worker; empty for fresh seeds.
    turn : int
        The worker that gives the first batch.
    """

    states: Sequence[States] = ()
    turn: int = 0


class Working:
    """The part in a worker: collates, and tells how the generators have moved.

    Parameters
    ----------
    collate_fn, init_fn
        What makes a batch, and what a worker calls as it begins, with its number.
    start
        What the workers go on from. Those before its turn are given a batch of which nothing is
        used, for torch asks them in turn, the first one first.
    """

    def __init__(
        self, collate_fn: Callable[[Any], Any], init_fn: Callable[[int], Any] | None, start: Start
    ) -> None:
        self._collate = collate_fn
        self._init = init_fn
        self._start = start

    def begin(self, worker: int) -> None:
        """Begin in a worker: seed, or go on from a state."""
        if self._init is not None:
            self._init(worker)
        if self._start.states:
            _put(self._start.states[worker])
        self._worker = worker
        self._last = _Last()
        self._out_of_turn = worker < self._start.turn

    def __call__(self, samples: Any) -> tuple[Any, int, States | None]:
        """Return a batch, the worker's number and what has moved; None for a batch out of turn."""
        if self._out_of_turn:
            self._out_of_turn = False
            _put(self._last.taken())
            return None, self._worker, None
        batch = self._collate(samples)
        return batch, self._worker, self._last.moved()


class _Last:
    """The generators as they were when last looked at."""

    def __init__(self) -> None:
        self._python, self._torch = _python(), _torch()
        self._bits, self._numpy = _bits(), _numpy()

    def taken(self) -> States:
        return self._python, self._numpy, self._torch

    def moved(self) -> States:
        """Look again; return what is not as it was."""
        before = self.taken()
        self._python, self._torch = _python(), _torch()
        bits = _bits()
        # A copy takes 30 µs.  With the same bits only half a pair of normal numbers can have gone.
        if bits is None or bits != self._bits or _has_half(self._numpy):
            self._bits, self._numpy = bits, _numpy()
        python, numpy, of_torch = (
            now if now != then else None for now, then in zip(self.taken(), before, strict=True)
        )
        return python, numpy, of_torch


def _python() -> bytes:
    _, words, gauss = random.getstate()
    return array("I", words).tobytes() + struct.pack("?d", gauss is not None, gauss or 0.0)


def _torch() -> bytes:
    return torch.default_generator.get_state().numpy().tobytes()


def _numpy() -> bytes:
    if not isinstance(mtrand.get_bit_generator(), MT19937):
        return b""  # somebody's own, of which nothing is known
    _, words, *rest = np.random.get_state()  # noqa: NPY002  # user code's
    return np.asarray(words).tobytes() + struct.pack("iid", *rest)


def _bits() -> bytes | None:
    """Return the memory of numpy's generator, where it is known what that is."""
    bits = mtrand.get_bit_generator()
    if not isinstance(bits, MT19937):
        return None
    return ctypes.string_at(bits.ctypes.state_address, 4 * (_WORDS + 1))


def _has_half(numpy: bytes) -> bool:
    return bool(numpy) and bool(struct.unpack("iid", numpy[4 * _WORDS :])[1])


def _put(states: States) -> None:
    """Put the generators where they were."""
    python, numpy, of_torch = states
    if python:
        end = 4 * (_WORDS + 1)
        has_gauss, gauss = struct.unpack("?d", python[end:])
        random.setstate((3, tuple(array("I", python[:end])), gauss if has_gauss else None))
    if numpy:
        words = np.frombuffer(numpy[: 4 * _WORDS], np.uint32)
        rest = struct.unpack("iid", numpy[4 * _WORDS :])
        np.random.set_state(("MT19937", words, *rest))  # noqa: NPY002  # user code's
    if of_torch:
        torch.default_generator.set_state(torch.frombuffer(bytearray(of_torch), dtype=torch.uint8))


class WorkerStates:
    """The part in the main process: how each worker's generators were behind which batch.

    Parameters
    ----------
    workers : int
        How many there are.
    persistent : bool
        Whether they go on from one pass to the next, or begin each from their seeds.
    """

    def __init__(self, workers: int, persistent: bool) -> None:
        self.workers = workers
        self.persistent = persistent
        self.begin(Start([_UNMOVED] * workers))

    def begin(self, start: Start) -> None:
        """Begin a pass."""
        self._turn = start.turn
        self._given = 0
        fresh = [_UNMOVED] * self.workers
        self._first: list[States] = list(start.states) or fresh
        # behind which of the batches of this pass, for the last two of every worker: somebody may
        # have asked for one more than what was trained on
        self._last = [(0, states) for states in self._first]
        self._before = list(self._last)

    def note(self, worker: int, moved: States) -> None:
        """Note how a worker's generators have moved for the batch that comes next."""
        self._given += 1
        python, numpy, of_torch = moved
        if python or numpy or of_torch:
            self._before[worker] = last = self._last[worker]
            old = last[1]
            now = python or old[0], numpy or old[1], of_torch or old[2]
            self._last[worker] = self._given, now

    def noting(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Give batches that come from `Working`, and note how the generators stand behind them."""
        note = self.note
        for batch, worker, moved in batches:
            if moved is not None:
                note(worker, moved)
                yield batch
        self.end()

    def end(self) -> None:
        """End a pass: the next begins from here."""
        self.begin(self.next_start())

    def next_start(self) -> Start:
        """Return what the next pass begins from."""
        return Start([states for _, states in self._last]) if self.persistent else Start()

    def at(self, consumed: int, *, seekable: bool, under_way: bool) -> dict[str, Any] | None:
        """Return, as plain values and tensors, what a resume needs; None where it needs nothing.

        Parameters
        ----------
        consumed
            Batches taken from the iterator of now.
        seekable
            Whether a resumed pass begins behind them, or is read from its beginning.
        under_way
            Whether any batch of the pass is behind; else only persistent workers have a state.
        """
        if not (under_way or self.persistent):
            return None
        turn, states = self._turn, self._first
        if seekable:
            turn = (turn + consumed) % self.workers
            states = [
                (last if last[0] <= consumed else before)[1]
                for last, before in zip(self._last, self._before, strict=True)
            ]
        return {"turn": turn, "states": [_plain(one) for one in states]}


def _plain(states: States) -> dict[str, torch.Tensor]:
    return {
        name: torch.frombuffer(bytearray(state), dtype=torch.uint8)
        for name, state in zip(_NAMES, states, strict=True)
        if state
    }


def start_of(saved: Mapping[str, Any]) -> Start:
    """Return what `WorkerStates.at` gave as what workers begin from.

    Raises
    ------
    ValueError
        If it is none.
    """
    sizes = dict(zip(_NAMES, (*_SIZES, len(_torch())), strict=True))
    found: list[States] = []
    for one in saved["states"]:
        parts = {name: value.cpu().numpy().tobytes() for name, value in one.items()}
        for name, part in parts.items():
            if len(part) != sizes.get(name):
                raise ValueError(
                    f"a worker's state {name!r} has {len(part)} bytes, not {sizes.get(name)}"
                )
        found.append((parts.get("python"), parts.get("numpy"), parts.get("torch")))
    return Start(found, int(saved["turn"]))
