"""Whether what is measured still gets better: when to stop."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from engine_runner.hooks.best import Rule

__all__ = ["RULES", "Patience"]

RULES: Mapping[Rule, Callable[[Any, Any], bool]] = {"greater": operator.gt, "less": operator.lt}


class Patience:
    """Waits for a measurement to get better, and says when to wait no longer.

    Parameters
    ----------
    rule : {"greater", "less"}
        What is better.
    limit : int, default 5
        How many measurements in a row may be no better before it is enough.
    min_delta : float, default 0.1
        By how much one must be better than the best, at least, to be better.
    threshold : float, optional
        A measurement that is better than this is good enough.
    check_finite : bool, default True
        Whether one that is infinite or not a number is the end.

    Attributes
    ----------
    best : float
        The best so far; infinitely bad at first.
    waited : int
        How many in a row were no better.
    """

    def __init__(
        self,
        rule: Rule,
        limit: int = 5,
        min_delta: float = 0.1,
        threshold: float | None = None,
        check_finite: bool = True,
    ) -> None:
        self.rule: Rule = rule
        self._limit = limit
        self._is_better = RULES[rule]
        self._margin = min_delta if rule == "greater" else -min_delta
        self._threshold = threshold
        self._check_finite = check_finite
        self.best = -math.inf if rule == "greater" else math.inf
        self.waited = 0

    def judge(self, score: float) -> str | None:
        """Take a measurement; return why it is enough, or None where it goes on."""
        if self._check_finite and not math.isfinite(score):
            return f"it is {score:g}, after a best of {self.best:.4g}"
        if self._passes(score):
            self.best = score
            return self.worn_out
        goal = self.best + self._margin
        if score == goal or self._is_better(score, goal):
            self.best, self.waited = score, 0
        else:
            self.waited += 1
        return self.worn_out

    @property
    def worn_out(self) -> str | None:
        """Why it was enough already, by what is remembered; None where it was not."""
        if self._passes(self.best):
            return f"{self.best:.4g} is beyond the stopping_threshold of {self._threshold}"
        if self.waited and self.waited >= self._limit:
            return f"the last {self.waited} measurements were no better than {self.best:.4g}"
        return None

    def _passes(self, score: float) -> bool:
        return self._threshold is not None and self._is_better(score, self._threshold)

    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what was remembered."""
        self.best, self.waited = float(state["best"]), int(state["waited"])
