"""How far a training is: the one owner of its counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Ending", "Progress", "ending"]

Ending = Literal["iter", "epoch"]
_ENDINGS: dict[str, Ending] = {"after_train_iter": "iter", "after_train_epoch": "epoch"}
_NOTHING = nullcontext()


@dataclass
class Progress:
    """What of a training is done.

    Attributes
    ----------
    max_epochs, max_iters : int
        Epochs and iterations to do.
    epoch, iter : int
        Epochs and iterations done.
    passes : int
        Passes over the data done.
    validated : int
        Up to which epoch or iteration all validations that were due are done.
    tokens : int
        Tokens of all processes that were counted, where something asked for it.
    ending : {None, "iter", "epoch"}
        What is done already while the hooks after it run, and is not counted yet.
    """

    max_epochs: int
    max_iters: int
    epoch: int = 0
    iter: int = 0
    passes: int = 0
    validated: int = 0
    tokens: int = 0
    ending: Ending | None = None

    def end_iter(self) -> None:
        """Count an iteration."""
        self.ending = None
        self.iter += 1

    def end_epoch(self) -> None:
        """Count an epoch."""
        self.ending = None
        self.epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the counts, also of what is done and not counted yet."""
        counted = {"tokens": self.tokens} if self.tokens else {}
        return {
            **counted,
            "epoch": self.epoch + (self.ending == "epoch"),
            "iter": self.iter + (self.ending == "iter"),
            "validated": self.validated,
            "passes": self.passes + (self.ending == "epoch"),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from counts."""
        self.epoch, self.iter = state["epoch"], state["iter"]
        self.passes = state.get("passes", self.epoch)
        self.validated = state["validated"]
        self.tokens = state.get("tokens", 0)
        self.ending = None


def ending(loop: Any, point: str) -> AbstractContextManager[None]:
    """Let what hooks save at a point count what a loop, also one of a user's own, ends there."""
    what = _ENDINGS.get(point)
    # to a loop of iterations its one epoch is none that it counts
    if what is None or loop is None or (what == "epoch" and not getattr(loop, "by_epoch", True)):
        return _NOTHING
    return _ending(loop, what)


@contextmanager
def _ending(loop: Any, what: Ending) -> Iterator[None]:
    before, loop.ending = loop.ending, what
    try:
        yield
    finally:
        loop.ending = before
