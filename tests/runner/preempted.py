"""Runs that are told to stop at a moment that they decide themselves."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from engine_dist import get_rank
from engine_registry import MODELS
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.process.preempted import Preempted
from tests.runner.toys import ToyModel, run_cfg


@MODELS.register_module(force=True)
class NoisyModel(ToyModel):
    """Draws random numbers at each step."""

    def forward(  # type: ignore[override]  # as the toy
        self, inputs: Tensor, heights: Tensor, index: Tensor, mode: str = "tensor"
    ) -> Any:
        if mode == "loss":
            inputs = nn.functional.dropout(inputs, 0.3)
        return super().forward(inputs, heights, index, mode)


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


class Signals(Hook):
    """Sends a signal to its own process at a point of a run, once."""

    priority = "HIGHEST"

    def __init__(
        self, point: str, count: int = 1, number: int = signal.SIGTERM, rank: int | None = None
    ) -> None:
        self.rank = rank
        self.point = point
        self.left = count
        self.number = number

    def _come(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
            if self.left == 0 and self.rank in (None, get_rank()):
                send(self.number)

    def before_run(self, runner: RunnerLike) -> None:
        self._come("start")

    def before_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
    ) -> None:
        self._come("train")

    def after_train_epoch(self, runner: RunnerLike) -> None:
        self._come("epoch")

    def before_val_iter(self, runner: RunnerLike, batch_idx: int, data_batch: Any = None) -> None:
        self._come("val")

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        self._come("validated")

    def before_test_iter(self, runner: RunnerLike, batch_idx: int, data_batch: Any = None) -> None:
        self._come("test")

    def after_run(self, runner: RunnerLike) -> None:
        self._come("end")


def a_run(folder: Path, *hooks: Hook, by_epoch: bool = True, **changes: Any) -> Runner:
    checkpoint = {"type": "CheckpointHook", "interval": 2 if by_epoch else 5, "by_epoch": by_epoch}
    length = {"max_epochs": 4} if by_epoch else {"max_iters": 12, "val_interval": 4}
    cfg = run_cfg(
        folder,
        model={"type": "NoisyModel"},
        train_cfg=length,
        default_hooks={
            "checkpoint": {**checkpoint, "save_best": "error", "rule": "less"},
            "logger": {"type": "LoggerHook", "interval": 2},
        },
        custom_hooks=list(hooks),
    )
    cfg.update(changes)
    return Runner(**cfg)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return what was logged, but for how long it took."""
    return [
        {k: v for k, v in json.loads(line).items() if "time" not in k and k != "memory"}
        for file in sorted(folder.glob("*/vis_data/scalars.json"))
        for line in file.read_text().splitlines()
    ]


def gone_on_with(folder: Path, *hooks: Hook, **changes: Any) -> tuple[Runner, Runner]:
    """Run until a signal, and go on; return both runs."""
    broken = a_run(folder, *hooks, **changes)
    with pytest.raises(Preempted) as stop:
        broken.train()
    assert (stop.value.code, stop.value.saved) == (75, True)
    resumed = a_run(folder, resume=True, **changes)
    resumed.train()
    return broken, resumed


def seen(*runs: Runner) -> list[list[int]]:
    return [batch for run in runs for batch in run.model.seen]  # type: ignore[union-attr]  # the toy's own
