"""Passes over the data: how far the one of now is, and how a resumed run goes on with its own.

What training draws, and what a loader draws as it begins a pass (an order, a seed for its workers),
comes from the same generators. A pass that is taken up in its middle begins from the generators that
it began from, and training goes on from those that it was left with.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import nullcontext
from itertools import islice
from typing import Any

from engine_dataset import (
    find_loader_state,
    get_loader_state,
    iterate,
    later_pass,
    seekable,
    set_loader_state,
    set_worker_states,
)
from engine_dist import get_rng_state, set_rng_state

__all__ = ["Passes"]

logger = logging.getLogger("engine.runner")


class Passes:
    """Pass after pass over what a loader gives.

    Parameters
    ----------
    loader
        What gives the batches.

    Attributes
    ----------
    consumed : int
        Batches of the pass of now that are behind.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.consumed = 0
        self._skipped = 0  # of those consumed, how many the iterator of now did not give
        self._begun: Mapping[str, Any] | None = None
        self._left: Mapping[str, Any] | None = None

    def open(self, done: int) -> Iterator[Any]:
        """Begin a pass after so many done, or the rest of the one that a resumed run was in."""
        self._skipped = self.consumed
        if not self.consumed:
            self.take_up_rng()
            self._begun = get_rng_state()
            return self._begin(done)
        if self._begun is not None:
            set_rng_state(self._begun)
        batches = self._begin(done)
        if not seekable(self._loader):
            self._read_past(batches)
        self.take_up_rng()
        return batches

    def _begin(self, done: int) -> Iterator[Any]:
        with later_pass(self._loader) if done else nullcontext():
            return iterate(self._loader)

    def close(self) -> None:
        """End a pass."""
        self.consumed = self._skipped = 0

    def leave(self, batches: Generator[Any, None, None]) -> None:
        """End what gave the batches; the next pass is the rest of the one that it was in."""
        begun = self.rng(self.consumed)
        state = self.state_dict(self.consumed) if self.consumed else None
        batches.close()
        if state is not None:
            self.load_state_dict(state)
            self.set_rng(get_rng_state(), begun)

    def take_up_rng(self) -> None:
        """Put the generators where a resumed run left them; once."""
        left, self._left = self._left, None
        if left is not None:
            set_rng_state(left)

    def state_dict(self, consumed: int) -> dict[str, Any]:
        """Return where the loader stands once so many batches of the pass are behind."""
        state = self._state(consumed)
        state.pop("workers", None)  # which are this rank's own: see `rng`
        if not consumed and "sampler" in state:
            state["sampler"]["position"] = 0  # not where a resumed pass, over by now, went on from
        return state

    def _state(self, consumed: int) -> dict[str, Any]:
        behind = min(self._skipped, consumed)
        return get_loader_state(self._loader, consumed=consumed - behind, behind=behind)

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Let the next pass be the rest of the one that ``state`` was taken in."""
        self.consumed = 0 if state is None else set_loader_state(self._loader, state)

    def go_to(self, batches: int) -> int:
        """Let the next pass be the rest of the one that so many batches in all end in.

        Returns
        -------
        int
            How many whole passes are before it.
        """
        passes, state = find_loader_state(self._loader, batches)
        self.load_state_dict(state)
        return passes

    def rng(self, consumed: int) -> Mapping[str, Any] | None:
        """Return the generators as the pass began, and those of workers as they are now.

        None where no pass is under way, and no worker is to outlive it.
        """
        workers = self._state(consumed).get("workers")
        if self._begun is None or workers is None:
            return self._begun if consumed else None
        return {**self._begun, "workers": workers}

    def set_rng(self, left: Mapping[str, Any] | None, begun: Mapping[str, Any] | None) -> None:
        """Let what comes draw on from the generators as a run left them.

        Parameters
        ----------
        left
            The generators when the run was saved.
        begun
            The generators as its pass had begun, where one was under way.
        """
        self._left = self._left if left is None else left
        if begun is not None:
            self._begun = begun
            set_worker_states(self._loader, begun.get("workers"), self.consumed)

    def _read_past(self, batches: Iterator[Any]) -> None:
        logger.info(
            "reading past the %d batches of the pass that are behind: %s cannot begin in the "
            "middle of one", self.consumed, type(self._loader).__name__,
        )  # fmt: skip
        for _ in islice(batches, self.consumed):
            pass
