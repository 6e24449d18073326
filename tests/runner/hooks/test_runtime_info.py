"""What the message hub knows of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine_evaluator import BaseMetric
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.toys import ToyError, ToyModel, loader, run_cfg


class Report(BaseMetric):
    """Measures a number, a tensor and something that is neither."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.extend(data_samples)

    def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
        return {"count": len(results), "half": torch.tensor(0.5), "names": ["a", "b"]}


class Stages(Hook):
    """Notes the counters in the hub as iterations of each kind run."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def _before_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, mode: str = "train"
    ) -> None:
        facts = runner.message_hub.runtime_info
        self.seen.append((facts["loop_stage"], facts["epoch"], facts["iter"]))


def test_counters_and_stages(tmp_path: Path) -> None:
    stages = Stages()
    cfg = run_cfg(tmp_path, train_cfg={"max_epochs": 2}, custom_hooks=[stages])
    cfg["val_dataloader"]["batch_size"] = 12
    runner = Runner(**cfg)
    runner.train()
    first = [("train", 0, 0), ("train", 0, 1), ("train", 0, 2), ("val", 0, 2)]
    assert stages.seen[:4] == first
    assert stages.seen[4:] == [(stage, 1, at + 3) for stage, _, at in first]
    facts = runner.message_hub.runtime_info
    assert (facts["max_epochs"], facts["max_iters"]) == (2, 6)
    assert facts["dataset_meta"] == {"name": "toy"}
    assert "loop_stage" not in facts


def test_what_a_run_is(tmp_path: Path) -> None:
    runner = Runner(**run_cfg(tmp_path), experiment_name="named", cfg={"lr": 3})
    runner.train()
    facts = runner.message_hub.runtime_info
    assert (facts["seed"], facts["experiment_name"], facts["cfg"]) == (3, "named", "lr = 3\n")


def test_losses_and_learning_rates(tmp_path: Path) -> None:
    runner = Runner(**run_cfg(tmp_path))
    runner.train()
    hub = runner.message_hub
    rates, _ = hub.get_scalar("train/lr").data
    expected = [0.1 * 0.9**epoch for epoch in range(4) for _ in range(3)]
    assert rates.tolist() == pytest.approx(expected, rel=1e-9)
    for name in ("train/loss", "train/bias", "train/lr"):
        assert len(hub.get_scalar(name).data[0]) == 12
    assert hub.get_scalar("train/bias").current() != 0


@pytest.mark.parametrize("mode", ["val", "test"])
def test_metrics(tmp_path: Path, mode: str) -> None:
    parts: dict[str, Any] = {
        f"{mode}_dataloader": loader(),
        f"{mode}_evaluator": [ToyError(), Report()],
    }
    runner = Runner(model=ToyModel(), work_dir=str(tmp_path), log_level="ERROR", **parts)
    metrics = getattr(runner, mode)()
    hub = runner.message_hub
    assert hub.get_scalar(f"{mode}/error").current() == metrics["error"]
    assert hub.get_scalar(f"{mode}/count").current() == 12
    assert hub.get_scalar(f"{mode}/half").current() == 0.5
    assert hub.get_info(f"{mode}/names") == ["a", "b"]
    assert "loop_stage" not in hub.runtime_info
