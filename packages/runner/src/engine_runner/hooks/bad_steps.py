"""What is to be done about steps whose loss or gradients are bad."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, get_args

__all__ = ["ACTIONS", "Action", "BadSteps"]

Action = Literal["skip", "lower_lr", "rollback", "stop"]
ACTIONS: tuple[Action, ...] = get_args(Action)


class BadSteps:
    """Counts bad steps and decides what follows from those that were read last.

    Parameters
    ----------
    action : {"skip", "lower_lr", "rollback", "stop"}
        What follows from any.
    max_in_row : int
        Bad steps one after the other that end a run whatever the action.
    max_rollbacks : int
        Rollbacks after which the next ends a run.
    """

    def __init__(self, action: Action, max_in_row: int = 10, max_rollbacks: int = 3) -> None:
        self.action = action
        self.max_in_row = max_in_row
        self.max_rollbacks = max_rollbacks
        self.total = 0
        self.in_row = 0
        self.rollbacks = 0

    def decide(self, iterations: Collection[int], bad: Collection[int]) -> Action | None:
        """Return what to do, or None where none of the iterations that were read is bad.

        The same numbers give the same answer on every rank.
        """
        longest = self._count(iterations, bad)
        if not bad:
            return None
        if self.action == "stop" or longest >= self.max_in_row:
            return "stop"
        if self.action != "rollback":
            return self.action
        if self.rollbacks >= self.max_rollbacks:
            return "stop"
        self.rollbacks += 1
        self.in_row = 0
        return "rollback"

    def _count(self, iterations: Collection[int], bad: Collection[int]) -> int:
        """Take the iterations into account, and return the longest row of bad ones so far."""
        longest = 0
        for iteration in sorted(iterations):
            self.in_row = self.in_row + 1 if iteration in bad else 0
            longest = max(longest, self.in_row)
        self.total += len(bad)
        return longest

    def state_dict(self) -> dict[str, int]:
        """Return the counts."""
        return {"total": self.total, "in_row": self.in_row, "rollbacks": self.rollbacks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from counts; what is no count is left."""
        for name in ("total", "in_row", "rollbacks"):
            if isinstance(state.get(name), int):
                setattr(self, name, state[name])
