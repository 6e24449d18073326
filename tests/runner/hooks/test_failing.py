"""What a hook raises comes as it is, and says of which hook it is, at which point and when."""

from __future__ import annotations

import functools
import operator
from pathlib import Path
from typing import Any

import pytest

from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.toys import run_cfg


class OwnError(Exception):
    """An error with fields, which a copy of it would not have."""

    def __init__(self, left: int) -> None:
        super().__init__(left)
        self.left = left


ERROR = OwnError(5)


def fail(*_: Any, **__: Any) -> None:
    raise ERROR


class Failing(Hook):
    """Fails at one point, in the second iteration where that is one of an iteration."""

    def __init__(self, point: str) -> None:
        def act(runner: RunnerLike, **_: Any) -> None:
            if not point.endswith("train_iter") or runner.iter == 1:
                fail()

        setattr(self, point, act)


# what acts where is told by the class: each point has a class of its own
KINDS = {
    point: type(
        f"Failing{point.title().replace('_', '')}", (Failing,), {point: lambda self, *a, **k: None}
    )
    for point in (
        "before_run", "before_train", "before_train_epoch", "before_train_iter",
        "after_train_iter", "before_val_epoch", "after_val_iter", "before_save_checkpoint",
        "after_train",
    )
}  # fmt: skip
DONE = {
    "before_train_iter": (0, 1), "after_train_iter": (0, 1), "before_val_epoch": (1, 3),
    "after_val_iter": (1, 3), "before_save_checkpoint": (0, 3), "after_train": (4, 12),
}  # fmt: skip


@pytest.mark.parametrize("point", KINDS)
def test_at_each_point(tmp_path: Path, point: str) -> None:
    ERROR.__notes__ = []
    hook = KINDS[point](point)
    runner = Runner(**run_cfg(tmp_path, custom_hooks=[hook]))
    with pytest.raises(OwnError) as caught:
        runner.train()
    epochs, iterations = DONE.get(point, (0, 0))
    assert caught.value is ERROR
    assert caught.value.left == 5
    assert [n for n in ERROR.__notes__ if n.startswith("raised")] == [
        f"raised by the hook {type(hook).__name__} in {point}, with {epochs} epochs and "
        f"{iterations} iterations done"
    ]


class InC(Hook):
    """Its methods are no functions of Python's, and are bound to nothing of the hook."""

    after_train_iter = operator.itemgetter("nothing")  # type: ignore[assignment]  # as hooks made of parts have it


class Partial(Hook):
    """Its method is a partial."""

    before_train_iter = functools.partial(fail)


class BuiltIn(Hook):
    """Its method is a module's function."""

    before_run = len  # type: ignore[assignment]  # as hooks made of parts have it


@pytest.mark.parametrize(
    ("hook", "point"),
    [(InC(), "after_train_iter"), (Partial(), "before_train_iter"), (BuiltIn(), "before_run")],
)
def test_methods_that_are_bound_to_no_hook(tmp_path: Path, hook: Hook, point: str) -> None:
    ERROR.__notes__ = []
    runner = Runner(**run_cfg(tmp_path, custom_hooks=[hook]))
    with pytest.raises((OwnError, TypeError)) as caught:
        runner.train()
    (note,) = [n for n in caught.value.__notes__ if n.startswith("raised")]
    assert note.startswith(f"raised by the hook {type(hook).__name__} in {point}, with 0 epochs")


def test_the_innermost_hook_is_named(tmp_path: Path) -> None:
    class Caller(Hook):
        def after_train_iter(
            self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
        ) -> None:
            runner.call_hook("after_test")

    class Called(Hook):
        def after_test(self, runner: RunnerLike) -> None:
            raise OwnError(1)

    runner = Runner(**run_cfg(tmp_path, custom_hooks=[Caller(), Called()]))
    with pytest.raises(OwnError) as caught:
        runner.train()
    notes = [n for n in caught.value.__notes__ if n.startswith("raised")]
    assert notes == [
        "raised by the hook Called in after_test, with 0 epochs and 0 iterations done"
    ]
