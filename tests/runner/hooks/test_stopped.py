"""Training that is stopped early keeps its weights; the best ones are those that were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_dist.wrappers import unwrap
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.hooks.test_checkpoint import files, trained
from tests.runner.test_resume import same

BY_ITER: dict[str, Any] = {"by_epoch": False}


class StopTraining(Hook):
    """Lets training end after so many iterations."""

    def __init__(self, iterations: int) -> None:
        self.iterations = iterations

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        runner.train_loop.stop_training = runner.iter + 1 == self.iterations or (
            runner.train_loop.stop_training
        )


ITERS = {"train_cfg": {"max_iters": 12, "val_interval": 4}}


@pytest.mark.parametrize(
    ("hook", "changes", "left"),
    [
        ({"interval": 3}, {}, ["epoch_2.pth"]),
        ({}, {}, ["epoch_2.pth"]),
        ({"interval": 2}, {}, ["epoch_2.pth"]),
        ({"interval": 3, "save_last": False}, {}, []),
        ({"interval": 4, **BY_ITER}, {}, ["iter_4.pth", "iter_6.pth"]),
        ({"interval": 100, **BY_ITER}, ITERS, ["iter_5.pth"]),
        ({"interval": 5, **BY_ITER}, ITERS, ["iter_5.pth"]),
        ({"interval": 2, **BY_ITER, "save_last": False}, ITERS, ["iter_2.pth", "iter_4.pth"]),
    ],
)
def test_what_is_left(
    tmp_path: Path, hook: dict[str, Any], changes: dict[str, Any], left: list[str]
) -> None:
    stopped = trained(tmp_path / "a", hook, custom_hooks=[StopTraining(5)], **changes)
    assert files(tmp_path / "a") == left
    if hook.get("save_last", True):
        last = Path((tmp_path / "a/last_checkpoint").read_text())
        assert torch.load(last, weights_only=True)["meta"]["iter"] == stopped.iter
        resumed = trained(tmp_path / "a", hook, resume=True, **changes)
        assert same(resumed.model, trained(tmp_path / "b", hook, **changes).model)


def test_a_finished_run_that_is_resumed_saves_nothing_anew(tmp_path: Path) -> None:
    trained(tmp_path, {"interval": 1, "max_keep_ckpts": 1})
    (tmp_path / "epoch_4.pth").rename(tmp_path / "kept.pth")
    trained(tmp_path, {"interval": 1}, resume=True, load_from=str(tmp_path / "kept.pth"))
    assert files(tmp_path) == ["kept.pth"]


class OwnAverage(Hook):
    """Validates with other weights, and puts the trained ones back."""

    def __init__(self, priority: str, saves: bool = False) -> None:
        self.priority = priority
        self.saves = saves
        self.kept: dict[str, Tensor] = {}

    def before_val_epoch(self, runner: RunnerLike) -> None:
        weights = unwrap(runner.model).state_dict()
        self.kept = {name: weight.clone() for name, weight in weights.items()}
        for weight in weights.values():
            weight.data.mul_(0.5)

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        for name, weight in unwrap(runner.model).state_dict().items():
            weight.data.copy_(self.kept[name])

    def before_save_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
        if self.saves:
            weights = checkpoint["state_dict"]
            checkpoint["state_dict"] = {name: 0.5 * weight for name, weight in weights.items()}


BEST = {"save_best": "error", "rule": "less"}
OTHER = "the best checkpoint holds other weights than those that were validated"


def log_of(runner: Runner) -> str:
    return Path(runner.logger.log_file).read_text()  # type: ignore[arg-type]  # the main process writes one


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (OwnAverage("NORMAL"), True),
        (OwnAverage("LOWEST"), False),
        (OwnAverage("NORMAL", saves=True), False),
        ({"type": "EMAHook", "momentum": 0.3}, False),
    ],
    ids=["put back before", "put back after", "saved too", "EMAHook"],
)
def test_other_weights_than_were_measured_are_told(tmp_path: Path, hook: Any, told: bool) -> None:
    runner = trained(tmp_path, BEST, custom_hooks=[hook], log_level="WARNING")
    assert (OTHER in log_of(runner)) is told
