"""Validation and test: one pass without gradients, measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_evaluator import Evaluator
from engine_runner import Runner, TestLoop, ValLoop
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.loops import EvaluateLoop
from engine_runner.loops.evaluate import as_evaluator
from tests.runner.toys import ToyData, ToyError, ToyModel, loader, loader_cfg

MODES = ("val", "test")


class Watch(Hook):
    """Notes what an iteration of either loop sees."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def _before_epoch(self, runner: RunnerLike, mode: str = "train") -> None:
        self.seen.append(f"before {mode}")

    def _before_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, mode: str = "train"
    ) -> None:
        assert not runner.model.training
        assert not torch.is_grad_enabled()
        self.seen.append(f"{batch_idx}:{len(data_batch['index'])}")

    def _after_iter(
        self,
        runner: RunnerLike,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        assert len(outputs) == len(data_batch["index"])

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        self.seen.append(f"val {sorted(metrics or {})}")

    def after_test_epoch(
        self, runner: RunnerLike, metrics: dict[str, float] | None = None
    ) -> None:
        self.seen.append(f"test {sorted(metrics or {})}")


def runner_for(mode: str, folder: Path, **changes: Any) -> Runner:
    given: dict[str, Any] = {f"{mode}_dataloader": loader(5), f"{mode}_evaluator": ToyError()}
    given.update(changes)
    return Runner(model=ToyModel(), work_dir=str(folder), log_level="ERROR", **given)


@pytest.mark.parametrize("mode", MODES)
def test_a_pass_measures_every_sample_once(tmp_path: Path, mode: str) -> None:
    watch = Watch()
    runner = runner_for(mode, tmp_path, custom_hooks=[watch])
    metrics = getattr(runner, mode)()
    # of a model of zeros, the error is the mean square of what it should say
    assert metrics["error"] == pytest.approx(ToyData().heights.square().mean().item(), rel=1e-6)
    assert watch.seen == [f"before {mode}", "0:5", "1:5", "2:2", f"{mode} ['error']"]
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("mode", MODES)
def test_what_a_loop_is_made_of(tmp_path: Path, mode: str) -> None:
    kind: type[EvaluateLoop] = {"val": ValLoop, "test": TestLoop}[mode]
    ready = runner_for(mode, tmp_path)
    cfg = {"type": kind.__name__, "dataloader": loader_cfg(False), "evaluator": ToyError()}
    loops = [
        getattr(ready, f"{mode}_loop"),
        kind(ready, loader_cfg(False), {"type": "ToyError"}),
        getattr(runner_for(mode, tmp_path / "b", **{f"{mode}_cfg": cfg}), f"{mode}_loop"),
    ]
    for loop in loops:
        assert type(loop) is kind
        assert loop.run()["error"] == loops[0].run()["error"]
        assert loop.evaluator.dataset_meta == {"name": "toy"}


@pytest.mark.parametrize("mode", MODES)
def test_reduced_precision(tmp_path: Path, mode: str) -> None:
    kinds: list[torch.dtype] = []

    class Half(ToyModel):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            kinds.append(self.linear(torch.zeros(1, 2)).dtype)
            return super().forward(*args, **kwargs)

    for fp16 in (True, False):
        runner = runner_for(mode, tmp_path, **{f"{mode}_cfg": {"fp16": fp16}})
        runner.model = Half()
        getattr(runner, mode)()
    assert [kind.itemsize for kind in kinds] == [2] * 3 + [4] * 3


def test_a_loader_without_a_length(tmp_path: Path) -> None:
    class Stream:
        def __iter__(self) -> Iterator[Any]:
            return iter(list(loader(4)))

    metrics = runner_for("val", tmp_path, val_dataloader=Stream()).val()
    assert metrics["error"] == pytest.approx(ToyData().heights.square().mean().item(), rel=1e-6)


def test_what_measures() -> None:
    ready = Evaluator(ToyError())
    assert as_evaluator(ready) is ready
    two: Any = {"type": "ToyError", "prefix": "b"}
    for value, count in [
        (ToyError(), 1),
        ({"type": "ToyError"}, 1),
        ([{"type": "ToyError"}, two], 2),
        ((ToyError(), two), 2),
        ({"metrics": [two]}, 1),
        ({"type": "Evaluator", "metrics": {"type": "ToyError"}}, 1),
    ]:
        assert [type(m) for m in as_evaluator(value).metrics] == [ToyError] * count


def test_what_measures_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="expected BaseMetric"):
        runner_for("val", tmp_path, val_evaluator=3).val()
