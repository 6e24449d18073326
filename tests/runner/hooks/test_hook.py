"""What a hook can ask, for odd inputs too; each answer is MMEngine 0.10.7's."""

from __future__ import annotations

from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from engine_runner.hooks import Hook

# for so many epochs or iterations done, from 0 on: whether the one that runs is due
DUE = {
    (-2, 0): ".......", (-1, 1): ".......", (0, 0): ".......", (0, -3): ".......", (0, 4): ".......",
    (1, -3): "xxxxxxx", (1, 0): "xxxxxxx", (1, 1): "xxxxxxx", (1, 4): "...xxxx",
    (2, -3): "x.x.x.x", (2, 0): ".x.x.x.", (2, 1): "x.x.x.x", (2, 4): "...x.x.",
    (3, -3): "..x..x.", (3, -1): ".x..x..", (3, 0): "..x..x.", (3, 1): "x..x..x", (3, 4): "...x..x",
}  # fmt: skip


def run(done: int, **goals: int) -> Any:
    return SimpleNamespace(epoch=done, iter=done, **goals)


@pytest.mark.parametrize(("n", "start"), DUE)
def test_epochs_and_iterations(n: int, start: int) -> None:
    hook: Any = Hook()
    for ask in (hook.every_n_epochs, hook.every_n_train_iters):
        assert "".join(".x"[ask(run(done), n, start)] for done in range(7)) == DUE[n, start]


@pytest.mark.parametrize(("n", "found"), [(-1, "...."), (0, "...."), (1, "xxxx"), (2, ".x.x")])
def test_batches(n: int, found: str) -> None:
    assert "".join(".x"[Hook().every_n_inner_iters(idx, n)] for idx in range(4)) == found


@pytest.mark.parametrize(("n", "due"), [(0.5, True), (1.5, True), (inf, False)])
def test_numbers_that_are_not_whole(n: Any, due: bool) -> None:
    hook: Any = Hook()
    assert hook.every_n_epochs(run(2), n) is due
    assert hook.every_n_inner_iters(2, n) is due


@pytest.mark.parametrize("n", ["2", None])
def test_what_is_no_number(n: Any) -> None:
    hook: Any = Hook()
    with pytest.raises(TypeError):
        hook.every_n_epochs(run(2), n)
    with pytest.raises(TypeError):
        hook.every_n_inner_iters(2, n)


def test_the_end() -> None:
    hook: Any = Hook()
    assert [hook.end_of_epoch(range(3), idx) for idx in range(4)] == [False, False, True, False]
    assert not hook.end_of_epoch([], 0)
    with pytest.raises(TypeError):  # no loader without a length is asked by this engine's hooks
        hook.end_of_epoch(iter([1]), 0)
    assert hook.is_last_train_epoch(run(2, max_epochs=3))
    assert not hook.is_last_train_epoch(run(3, max_epochs=3))
    assert hook.is_last_train_iter(run(2, max_iters=3))
    assert not hook.is_last_train_iter(run(1, max_iters=3))


def test_stages() -> None:
    class Once(Hook):
        def after_train_epoch(self, runner: Any) -> None: ...

    class More(Once):
        stages = ("before_run",)  # which of MMEngine's is without effect, too
        after_train = Hook.after_train

        def _before_iter(
            self, runner: Any, batch_idx: int, data_batch: Any = None, mode: str = "train"
        ) -> None: ...

    by_hand = Hook()
    by_hand.before_run = lambda runner: None  # type: ignore[method-assign]  # what a user may do
    assert Hook().get_triggered_stages() == by_hand.get_triggered_stages() == []
    assert Once().get_triggered_stages() == ["after_train_epoch"]
    assert sorted(More().get_triggered_stages()) == [
        "after_train_epoch", "before_test_iter", "before_train_iter", "before_val_iter",
    ]  # fmt: skip
