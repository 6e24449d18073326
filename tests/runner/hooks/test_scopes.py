"""What a hook changed is put back however a run ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.hooks.scopes import around_loops
from tests.runner.toys import loader_cfg, run_cfg

TEST = {
    "test_dataloader": loader_cfg(shuffle=False),
    "test_cfg": {},
    "test_evaluator": {"type": "ToyError"},
}


class Noted(Hook):
    """Notes what happens in which order; raises at a point where it is told to."""

    def __init__(self, raises_at: str = "") -> None:
        self.raises_at = raises_at
        self.said: list[str] = []

    @contextmanager
    def scope(self) -> Iterator[None]:
        self.said.append("entered")
        try:
            yield
        finally:
            self.said.append("left")

    def before_run(self, runner: RunnerLike) -> None:
        around_loops(runner, self, self.scope)

    def _at(self, point: str) -> None:
        self.said.append(point)
        if point == self.raises_at:
            raise KeyboardInterrupt

    def before_train(self, runner: RunnerLike) -> None:
        self._at("train")

    def before_val(self, runner: RunnerLike) -> None:
        self._at("val")

    def before_test(self, runner: RunnerLike) -> None:
        self._at("test")


def run(folder: Path, hook: Noted) -> Runner:
    short: dict[str, Any] = {"train_cfg": {"max_epochs": 1}, "custom_hooks": [hook], **TEST}
    return Runner(**run_cfg(folder, **short))


def test_a_validation_within_training_is_of_its_scope(tmp_path: Path) -> None:
    hook = Noted()
    runner = run(tmp_path, hook)
    runner.train()
    assert hook.said == ["entered", "train", "val", "left"]
    hook.said.clear()
    # run again: once more, and no deeper
    runner.val()
    runner.test()
    assert hook.said == ["entered", "val", "left", "entered", "test", "left"]


@pytest.mark.parametrize("point", ["train", "val"])
def test_it_is_left_by_an_exception(tmp_path: Path, point: str) -> None:
    hook = Noted(point)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, hook).train()
    assert hook.said[-2:] == [point, "left"]


def test_of_two_hooks_each_has_its_own(tmp_path: Path) -> None:
    hooks = [Noted(), Noted("val")]
    runner = Runner(**run_cfg(tmp_path, train_cfg={"max_epochs": 1}, custom_hooks=hooks))
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert [hook.said for hook in hooks] == [["entered", "train", "val", "left"]] * 2
