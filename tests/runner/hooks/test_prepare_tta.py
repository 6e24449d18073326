"""Tests of several views of each sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from engine_registry import MODELS
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.model import BaseModel
from tests.runner.test_resume import same
from tests.runner.toys import loader_cfg, run_cfg


@MODELS.register_module()
class ToyViews(BaseModel):
    """Says of every sample that its error is the same."""

    def __init__(self, module: nn.Module, error: float = 7.0) -> None:
        super().__init__()
        self.module = module
        self.error = error

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
        raise NotImplementedError

    def test_step(self, data: Any) -> Any:
        return [{"error": self.error} for _ in self.module.test_step(data)]  # type: ignore[operator]  # a model of the run


class Watch(Hook):
    """Notes which models are tested."""

    def __init__(self) -> None:
        self.tested: list[nn.Module] = []

    def before_test_epoch(self, runner: RunnerLike) -> None:
        self.tested.append(runner.model)


HOOK = {"type": "PrepareTTAHook", "tta_cfg": {"type": "ToyViews", "error": 3.0}}


def made(folder: Path, *hooks: Any, **changes: Any) -> Runner:
    parts = {
        "test_dataloader": loader_cfg(shuffle=False),
        "test_cfg": {},
        "test_evaluator": {"type": "ToyError"},
    }
    return Runner(**run_cfg(folder, custom_hooks=[HOOK, *hooks], **parts, **changes))


def test_a_test_is_of_all_views_and_the_rest_is_not(tmp_path: Path) -> None:
    watch = Watch()
    runner = made(tmp_path, watch)
    own = runner.model
    assert runner.test() == {"error": 3.0}
    assert runner.test() == {"error": 3.0}
    for model in watch.tested:
        assert isinstance(model, ToyViews)
        assert model.module is own
        assert not own.training
    assert runner.model is own
    assert runner.val()["error"] != 3.0
    runner.train()


def test_a_test_that_failed_leaves_one_around_the_model(tmp_path: Path) -> None:
    class Fail(Hook):
        def before_test_epoch(self, runner: RunnerLike) -> None:
            if runner.test_loop.metrics is None and not hasattr(self, "failed"):
                self.failed = True
                raise OSError("once")

    watch = Watch()
    runner = made(tmp_path, watch, Fail())
    own = runner.model
    with pytest.raises(OSError, match="once"):
        runner.test()
    runner.test()
    assert [type(model.module) for model in watch.tested] == [type(own)] * 2


def test_with_averaged_weights(tmp_path: Path) -> None:
    average = {"type": "EMAHook", "momentum": 0.3}
    train = Runner(**run_cfg(tmp_path / "a", custom_hooks=[average]))
    train.train()
    (hook,) = (hook for hook in train.hooks if type(hook).__name__ == "EMAHook")
    seen: list[bool] = []

    class Compare(Hook):
        def after_test_iter(
            self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
        ) -> None:
            seen.append(same(runner.model.module, hook.ema_model.module))  # type: ignore[attr-defined]  # the average

    start = str(tmp_path / "a" / "epoch_4.pth")
    made(tmp_path / "b", average, Compare(), load_from=start).test()
    assert seen == [True] * 3


def test_what_is_no_model(tmp_path: Path) -> None:
    runner = made(tmp_path)
    runner.register_hook({"type": "PrepareTTAHook", "tta_cfg": {"type": "NoSuch"}}, "HIGHEST")
    with pytest.raises(KeyError, match="NoSuch"):
        runner.test()
