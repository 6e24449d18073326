"""Whether the losses of a run are numbers."""

from __future__ import annotations

import math

from engine_runner.logging import HistoryBuffer

__all__ = ["LossWatch"]


class LossWatch:
    """Finds the first loss that is infinite or not a number; once.

    Parameters
    ----------
    done : int
        Iterations done before the first that is looked at.
    """

    def __init__(self, done: int = 0) -> None:
        self._done = done
        self._found = False

    def look(self, losses: HistoryBuffer, done: int) -> tuple[int, float] | None:
        """Look at the losses up to an iteration that were not looked at yet.

        Returns
        -------
        tuple of (int, float) or None
            The first iteration with such a loss, counted from 1, and the loss.
        """
        new, self._done = done - self._done, done
        if self._found or new < 1 or math.isfinite(losses.max(new) - losses.min(new)):
            return None
        values = losses.data[0][-new:]
        for iteration, value in enumerate(values, start=done - len(values) + 1):
            if not math.isfinite(value):
                self._found = True
                return iteration, float(value)
        return None
