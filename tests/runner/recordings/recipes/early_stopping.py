"""`EarlyStoppingHook`: after which epoch or iteration training stops."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench

NAN, INF = float("nan"), float("inf")


def stopped(
    bench: Bench, hook: dict[str, Any], measured: Any, name: str = "acc", **changes: Any
) -> Any:
    """Train nine epochs, or until it stops, with measurements as written."""
    values = ({name: value} for value in measured)
    changes = {"train_cfg": {"by_epoch": True, "max_epochs": 9}, **changes}
    runner = bench.runner(
        **bench.settings(
            val_evaluator=[bench.scripted(*values)],
            custom_hooks=[{"type": "EarlyStoppingHook", "monitor": name, **hook}],
            **changes,
        )
    )
    raised = bench.raised(runner.train)
    return {"epoch": runner.epoch, "iter": runner.iter, "raised": raised,
            "stopped": runner.train_loop.stop_training}  # fmt: skip


def refused(bench: Bench, **hook: Any) -> Any:
    """Make a hook of parameters that it does not take."""
    return bench.raised(lambda: bench.library("hooks.EarlyStoppingHook")(**hook))


RISING = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FLAT = (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
BUMPY = (0.1, 0.3, 0.35, 0.25, 0.6, 0.55, 0.5, 0.62, 0.61)
ITERS = {"by_epoch": False, "max_iters": 9, "val_interval": 1}

RECIPES = {
    "rising": partial(stopped, hook={}, measured=RISING),
    "flat": partial(stopped, hook={}, measured=FLAT),
    "flat-patience-1": partial(stopped, hook={"patience": 1}, measured=FLAT),
    "flat-patience-0": partial(stopped, hook={"patience": 0}, measured=FLAT),
    "flat-patience-3": partial(stopped, hook={"patience": 3}, measured=FLAT),
    "bumpy": partial(stopped, hook={"patience": 2}, measured=BUMPY),
    "bumpy-no-delta": partial(stopped, hook={"patience": 2, "min_delta": 0}, measured=BUMPY),
    "bumpy-great-delta": partial(stopped, hook={"patience": 2, "min_delta": 0.4}, measured=BUMPY),
    "delta-below-zero": partial(stopped, hook={"patience": 2, "min_delta": -0.1}, measured=BUMPY),
    "delta-exact": partial(
        stopped, hook={"patience": 2, "min_delta": 0.5}, measured=(0.0, 0.5, 1.0, 1.5, 2.0)
    ),
    "less": partial(stopped, hook={"rule": "less", "patience": 2}, measured=RISING),
    "less-falling": partial(
        stopped, hook={"rule": "less", "patience": 2}, measured=(9, 7, 5, 3, 1, 1, 1, 1, 1)
    ),
    "rule-of-the-name": partial(stopped, hook={"patience": 2}, measured=RISING, name="loss"),
    "name-with-slash": partial(stopped, hook={"patience": 2}, measured=FLAT, name="toy/acc"),
    "threshold": partial(stopped, hook={"stopping_threshold": 0.45}, measured=RISING),
    "threshold-met": partial(stopped, hook={"stopping_threshold": 0.5}, measured=RISING),
    "threshold-less": partial(
        stopped, hook={"stopping_threshold": 3, "rule": "less"}, measured=(9, 7, 5, 2, 1)
    ),
    "not-finite": partial(stopped, hook={}, measured=(0.1, 0.3, NAN, 0.9)),
    "infinite": partial(stopped, hook={}, measured=(0.1, 0.3, INF, 0.9)),
    "not-finite-unchecked": partial(
        stopped, hook={"check_finite": False, "patience": 2}, measured=(0.1, 0.3, NAN, 0.9, NAN)
    ),
    "first-not-finite-unchecked": partial(
        stopped, hook={"check_finite": False, "patience": 2}, measured=(NAN, 0.3, 0.9, 0.9)
    ),
    "by-iter": partial(stopped, hook={"patience": 2}, measured=FLAT, train_cfg=ITERS),
    "validated-seldom": partial(
        stopped, hook={"patience": 2}, measured=FLAT,
        train_cfg={"by_epoch": True, "max_epochs": 9, "val_interval": 2},
    ),
    "missing": partial(stopped, hook={"monitor": "auc"}, measured=RISING),
    "missing-strict": partial(stopped, hook={"monitor": "auc", "strict": True}, measured=RISING),
    "text": partial(stopped, hook={}, measured=("high", "higher")),
    "rule-unknown": partial(refused, monitor="acc", rule="more"),
    "rule-untold": partial(refused, monitor="speed"),
    "delta-no-number": partial(refused, monitor="acc", min_delta="much"),
    "threshold-no-number": partial(refused, monitor="acc", stopping_threshold="high"),
    "patience-below-zero": partial(refused, monitor="acc", patience=-1),
}  # fmt: skip
