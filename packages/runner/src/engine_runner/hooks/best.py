"""Which checkpoint is the best so far."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from engine_config.near_names import near_names

__all__ = ["INITIAL", "RULES", "BestError", "BestScore", "best_scores", "infer_rule"]

Rule = Literal["greater", "less"]
Better = Callable[[Any, Any], bool]

# what is better than what, and what any number is better than
RULES: Mapping[str, Better] = {"greater": operator.gt, "less": operator.lt}
INITIAL: Mapping[str, float] = {"greater": -math.inf, "less": math.inf}

GREATER_KEYS = (
    "acc", "top", "AR@", "auc", "precision", "mAP", "mDice", "mIoU", "mAcc", "aAcc",
)  # fmt: skip
LESS_KEYS = ("loss",)


class BestError(KeyError, ValueError):
    """What is to be the best is not measured, or cannot be told."""

    def __str__(self) -> str:
        return str(self.args[0])


def infer_rule(
    key: str, greater_keys: Sequence[str] = GREATER_KEYS, less_keys: Sequence[str] = LESS_KEYS
) -> Rule:
    """Tell from the name of a metric whether more of it is better.

    A name is looked for as it is first, then as a part, in lower case.

    Raises
    ------
    BestError
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
    raise BestError(
        f"whether more or less of {key!r} is better cannot be told from its name; give the "
        "hook rule='greater' or rule='less'"
    )


class BestScore:
    """The best value of one metric.

    Parameters
    ----------
    key : str
        The metric's name, or ``auto`` for the first one reported.
    rule : {"greater", "less"}, optional
        What is better; inferred from the name by default.
    greater_keys, less_keys : sequence of str
        By what it is inferred.
    rules, initial : Mapping
        What each rule means, and what a first value must be better than.
    """

    def __init__(
        self,
        key: str = "auto",
        rule: Rule | None = None,
        greater_keys: Sequence[str] = GREATER_KEYS,
        less_keys: Sequence[str] = LESS_KEYS,
        rules: Mapping[str, Better] = RULES,
        initial: Mapping[str, float] = INITIAL,
    ) -> None:
        if rule is not None and rule not in rules:
            known = " or ".join(map(repr, rules))
            raise ValueError(f"rule must be {known}, got {rule!r}")
        if not isinstance(key, str):
            raise TypeError(f"save_best names a metric, got {key!r}")
        self.key = key
        self._rule = rule
        self._lists = (greater_keys, less_keys)
        self._rules, self._initial = rules, initial
        self.score: float | None = None
        if key != "auto" and rule is None:
            self._rule = infer_rule(key, *self._lists)

    def update(self, metrics: Mapping[str, Any]) -> bool:
        """Take new measurements; tell whether they are the best so far.

        Only a finite number can be; None stands for a metric that was not measured this time.

        Raises
        ------
        BestError
            If the metric is not among them, or whether more or less of it is better is not known.
        """
        if self.key == "auto":
            if not metrics:
                return False
            self.key = next(iter(metrics))
        if self.key not in metrics:
            raise self._unmeasured(metrics)
        rule = self._rule = self.rule_of(self.key)
        if metrics[self.key] is None:
            return False
        score = float(metrics[self.key])
        before = self._initial[rule] if self.score is None else self.score
        if not math.isfinite(score) or not self._rules[rule](score, before):
            return False
        self.score = score
        return True

    def rule_of(self, key: str) -> Rule:
        """Return the rule that was given, else the one that a metric's name tells.

        Raises
        ------
        BestError
            If it does not tell.
        """
        return self._rule or infer_rule(key, *self._lists)

    def file_name(self, checkpoint: str) -> str:
        """Return what the best checkpoint is called that is saved as one of a name."""
        return f"{self._stem}_{checkpoint}"

    def is_name(self, name: str, checkpoint: Callable[[int], str]) -> bool:
        """Tell whether a file may be the best checkpoint, by how those of a count are called."""
        number = 123456789  # stands for any
        form = re.escape(checkpoint(number)).replace(str(number), r"\d+")
        stem = "best_.+" if self.key == "auto" else re.escape(self._stem)
        return re.fullmatch(f"{stem}_{form}", name) is not None

    def hub_keys(self, *, alone: bool) -> tuple[str, str]:
        """Return under which names the hub knows the best score and its file."""
        which = "" if alone else f"_{self.key}"
        return f"best_score{which}", f"best_ckpt{which}"

    @property
    def _stem(self) -> str:
        return f"best_{self.key.replace('/', '_')}"

    def _unmeasured(self, metrics: Mapping[str, Any]) -> BestError:
        near = near_names(self.key, metrics)
        meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        return BestError(
            f"save_best={self.key!r} is not among the metrics of the validation: "
            f"{', '.join(metrics) or 'none'}{meant or '.'} Set the checkpoint hook's save_best to one "
            "of them; a resumed run goes on from the newest checkpoint"
        )


def best_scores(
    keys: str | Sequence[str] | None, rule: Rule | Sequence[Rule] | None, **how: Any
) -> list[BestScore]:
    """Return what follows some metrics, each with a rule of its own or all with one.

    Raises
    ------
    ValueError
        If there are not as many rules as metrics, or a metric is named twice.
    """
    names = [keys] if isinstance(keys, str) else _several(keys)
    rules: list[Any] = list(rule) if isinstance(rule, (list, tuple)) else [rule] * len(names)
    if len(rules) != len(names):
        raise ValueError(
            f"rule names {len(rules)} rules for the {len(names)} metrics of save_best; give one "
            "for all, or one each"
        )
    if "auto" in names and len(names) > 1:
        raise ValueError("save_best='auto' stands for the first metric; it cannot stand in a list")
    if len(set(names)) < len(names):
        raise ValueError(f"save_best names a metric twice: {names}")
    return [BestScore(name, own, **how) for name, own in zip(names, rules, strict=True)]


def _several(keys: Any) -> list[Any]:
    if keys is not None and not isinstance(keys, (list, tuple)):
        raise TypeError(f"save_best takes the name of a metric or a list of them, got {keys!r}")
    return list(keys or [])
