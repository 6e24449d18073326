"""When training ends before its end."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from numbers import Real
from typing import Any

from torch import Tensor

from engine_config.near_names import near_names
from engine_registry import HOOKS
from engine_runner.hooks.best import Rule, infer_rule
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.patience import RULES, Patience
from engine_runner.protocols import RunnerT

__all__ = ["EarlyStoppingHook"]


@HOOKS.register_module()
class EarlyStoppingHook(Hook[RunnerT]):
    """End the training once a metric gets no better.

    How often it was no better, and the best, are a part of a checkpoint: a resumed run ends where an
    unbroken one does.

    Parameters
    ----------
    monitor : str
        The metric's name.
    rule : {"greater", "less"}, optional
        What is better; by default told from the name.
    min_delta : float, default 0.1
        By how much a value must be better than the best, at least, to be better.
    strict : bool, default False
        Fail where a validation does not measure the metric, instead of a warning.
    check_finite : bool, default True
        End the training where the metric is infinite or not a number.
    patience : int, default 5
        How many validations in a row may be no better before training ends.
    stopping_threshold : float, optional
        End the training where a value is better than this.

    Raises
    ------
    ValueError
        If the rule is another, or the name does not tell it.
    """

    priority = "LOWEST"
    rule_map = RULES

    def __init__(
        self,
        monitor: str,
        rule: Rule | None = None,
        min_delta: float = 0.1,
        strict: bool = False,
        check_finite: bool = True,
        patience: int = 5,
        stopping_threshold: float | None = None,
    ) -> None:
        if rule not in (None, *RULES):
            raise ValueError(f"rule must be 'greater' or 'less', got {rule!r}")
        self.monitor = monitor
        self.strict = strict
        self._patience = Patience(
            rule or infer_rule(monitor), patience, min_delta, stopping_threshold, check_finite
        )
        self._val_loop: Any = None
        self._judged: Mapping[str, Any] | None = None  # the last measurements that were taken
        self._training = False
        self._told = False

    @property
    def best_score(self) -> float:
        """The best value so far; infinitely bad at first."""
        return self._patience.best

    @property
    def wait_count(self) -> int:
        """How many validations in a row were no better."""
        return self._patience.waited

    def before_train(self, runner: RunnerT) -> None:
        """End what was ended before it was saved.

        Raises
        ------
        TypeError
            If the training loop cannot be ended.
        """
        if not hasattr(runner.train_loop, "stop_training"):
            raise TypeError(
                f"EarlyStoppingHook ends a training by its loop's attribute stop_training, which "
                f"{type(runner.train_loop).__name__} has not: set it to False in its __init__, and "
                "let run() end where it is True"
            )
        self._training = True
        self._val_loop = runner.val_loop
        if self._patience.worn_out:
            self._stop(runner, self._patience.worn_out)
            runner.logger.info("to go on, give EarlyStoppingHook more patience or leave it out")

    def after_train(self, runner: RunnerT) -> None:
        """Look no longer."""
        self._training = False

    def after_val_epoch(self, runner: RunnerT, metrics: dict[str, float] | None = None) -> None:
        """End the training where it is enough."""
        if not self._training:
            return
        self._judged = metrics
        score = self._score(metrics or {})
        if score is None:
            if not self._told:
                lack = self._lack(metrics or {})
                runner.logger.warning("%r is passed over: it is %s", self.monitor, lack)
            self._told = True
            return
        enough = self._patience.judge(score)
        if enough:
            self._stop(runner, enough)

    def state_dict(self) -> dict[str, Any]:
        """Return the best and how long was waited; with a validation whose hooks are under way.

        The best checkpoint is saved in one, before this hook has its turn.
        """
        patience = copy(self._patience)
        metrics = getattr(self._val_loop, "metrics", None) if self._training else None
        if metrics is not None and metrics is not self._judged:
            score = self._score(metrics)
            if score is not None:
                patience.judge(score)
        return patience.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self._patience.load_state_dict(state)

    def _stop(self, runner: RunnerT, reason: str) -> None:
        runner.train_loop.stop_training = True
        runner.logger.info("training ends early, by %s: %s", self.monitor, reason)

    def _score(self, metrics: Mapping[str, Any]) -> float | None:
        if self.monitor not in metrics:
            if self.strict:
                raise RuntimeError(
                    f"{self.monitor!r} is {self._lack(metrics)} EarlyStoppingHook watches it; "
                    "strict=False lets it be passed over"
                )
            return None
        score = metrics[self.monitor]
        if not isinstance(score, Real | Tensor):
            raise TypeError(
                f"EarlyStoppingHook compares numbers, and {self.monitor} is {score!r:.80}"
            )
        return float(score)

    def _lack(self, metrics: Mapping[str, Any]) -> str:
        near = near_names(self.monitor, metrics)
        meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
        return f"not among the metrics of the validation: {', '.join(metrics) or 'none'}{meant}"
