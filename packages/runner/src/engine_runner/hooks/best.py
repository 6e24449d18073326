"""Which checkpoint is the best so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

__all__ = ["BestScore", "infer_rule"]

Rule = Literal["greater", "less"]

GREATER_KEYS = (
    "acc", "top", "AR@", "auc", "precision", "mAP", "mDice", "mIoU", "mAcc", "aAcc",
)  # fmt: skip
LESS_KEYS = ("loss",)


def infer_rule(
    key: str, greater_keys: Sequence[str] = GREATER_KEYS, less_keys: Sequence[str] = LESS_KEYS
) -> Rule:
    """Tell from the name of a metric whether more of it is better.

    A name is looked for as it is first, then as a part, in lower case.

    Raises
    ------
    ValueError
        If neither list says.
    """
    rules: tuple[tuple[Rule, Sequence[str]], ...] = (
        ("greater", greater_keys),
        ("less", less_keys),
    )
    for rule, keys in rules:
        if key in keys:
            return rule
    for rule, keys in rules:
        if any(part.lower() in key.lower() for part in keys):
            return rule
    raise ValueError(
        f"whether more or less of {key!r} is better cannot be told from its name; give the "
        "checkpoint hook rule='greater' or rule='less'"
    )


class BestScore:
    """The best value of one metric.

    Parameters
    ----------
    key : str
        The metric's name, or ``auto`` for the first one reported.
    rule : {"greater", "less"}, optional
        What is better; inferred from the name by default.
    """

    def __init__(
        self,
        key: str = "auto",
        rule: Rule | None = None,
        greater_keys: Sequence[str] = GREATER_KEYS,
        less_keys: Sequence[str] = LESS_KEYS,
    ) -> None:
        if rule not in (None, "greater", "less"):
            raise ValueError(f"rule must be 'greater' or 'less', got {rule!r}")
        self.key = key
        self._rule = rule
        self._lists = (greater_keys, less_keys)
        self.score: float | None = None
        if key != "auto" and rule is None:
            self._rule = infer_rule(key, *self._lists)

    def update(self, metrics: Mapping[str, float]) -> bool:
        """Take new measurements; tell whether they are the best so far. NaN never is.

        Raises
        ------
        KeyError
            If the metric is not among them.
        """
        if self.key == "auto":
            if not metrics:
                return False
            self.key = next(iter(metrics))
        if self.key not in metrics:
            raise KeyError(
                f"save_best={self.key!r} is not among the metrics of the validation: "
                f"{', '.join(metrics) or 'none'}"
            )
        rule = self._rule or infer_rule(self.key, *self._lists)
        self._rule = rule
        score = float(metrics[self.key])
        if math.isnan(score):
            return False
        if self.score is not None:
            better = score > self.score if rule == "greater" else score < self.score
            if not better:
                return False
        self.score = score
        return True
