"""Which hooks are called, and when."""

from __future__ import annotations

from typing import Any, cast

import pytest

from engine_runner.hooks import Hook, RunnerLike
from engine_runner.hooks.dispatch import HookList

RUNNER = cast(RunnerLike, object())


class Noting(Hook):
    """Writes its name down at one point."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    def before_run(self, runner: RunnerLike) -> None:
        self.notes.append(self.name)


class ByFallback(Hook):
    """Acts at an iteration of any kind."""

    def __init__(self) -> None:
        self.modes: list[str] = []

    def _after_iter(
        self,
        runner: RunnerLike,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        self.modes.append(mode)


def test_order_by_priority_then_by_coming() -> None:
    notes: list[str] = []
    hooks = HookList()
    hooks.add(Noting("normal", notes))
    hooks.add(Noting("low", notes), "LOW")
    hooks.add(Noting("high", notes), 30)
    hooks.add(Noting("second normal", notes), "NORMAL")
    hooks.call("before_run", RUNNER)
    assert notes == ["high", "normal", "second normal", "low"]


def test_a_fallback_acts_at_each_point_that_it_serves() -> None:
    hook = ByFallback()
    hooks = HookList()
    hooks.add(hook)
    for mode in ("train", "val", "test"):
        hooks.call(f"after_{mode}_iter", RUNNER, batch_idx=0, data_batch=None, outputs=None)
    assert hook.modes == ["train", "val", "test"]
    assert hook.get_triggered_stages() == ["after_train_iter", "after_val_iter", "after_test_iter"]


def test_hooks_that_do_nothing_at_a_point_are_not_called_there() -> None:
    hooks = HookList()
    hooks.add(Noting("a", []))
    assert hooks._calls["after_train_iter"] == ()
    assert "after_train_iter" not in hooks.describe()
    assert "before_run:\n(NORMAL      ) Noting " in hooks.describe()


def test_the_same_hook_twice() -> None:
    hook = Noting("a", [])
    hooks = HookList()
    hooks.add(hook)
    with pytest.raises(ValueError, match="Noting is registered already"):
        hooks.add(hook)


def test_an_unknown_point() -> None:
    with pytest.raises(KeyError, match="before_lunch"):
        HookList().call("before_lunch", RUNNER)
