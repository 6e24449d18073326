"""What a project subclasses and calls, typed as its author would: only mypy reads this file.

What ``assert_type`` says here is what the packages promise to a type checker.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from typing_extensions import assert_type

from engine_config import Config, ConfigDict
from engine_dataset import BaseDataset, build_dataloader
from engine_dist.checkpoint import load_checkpoint, load_checkpoint_file
from engine_evaluator import BaseMetric, Evaluator
from engine_optim import OptimWrapper, build_optim_wrapper
from engine_registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS, build_as
from engine_runner import Runner
from engine_runner.hooks import CheckpointHook, Hook, LoggerHook
from engine_runner.loops import EpochBasedTrainLoop
from engine_runner.model import BaseDataPreprocessor, BaseModel


@HOOKS.register_module()
class Watch(Hook):
    """Annotates the runner as what it is."""

    priority = "LOW"

    def before_run(self, runner: Runner) -> None:
        runner.logger.info("%d iterations", runner.max_iters)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Tensor] | None = None
    ) -> None:
        runner.message_hub.update_scalar("train/batch", batch_idx)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict[str, Tensor] | None = None,
        outputs: dict[str, Tensor] | None = None,
    ) -> None:
        if self.every_n_train_iters(runner, 10):
            runner.message_hub.update_scalar("train/norm", 1.0)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if metrics is not None and metrics["error"] < 0.1:
            runner.train_loop.stop_training = True

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        checkpoint["note"] = runner.experiment_name

    def _after_epoch(self, runner: Runner, mode: str = "train") -> None:
        super()._after_epoch(runner, mode=mode)


class Often(LoggerHook):
    """Extends a hook of the engine."""

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict[str, Tensor] | None = None,
        outputs: dict[str, Tensor] | None = None,
    ) -> None:
        super().after_train_iter(runner, batch_idx, data_batch, outputs)


class Kept(CheckpointHook):
    """Extends the hook that saves."""

    def after_train_epoch(self, runner: Runner) -> None:
        super().after_train_epoch(runner)


@TRANSFORMS.register_module()
class Halve:
    """A transform."""

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        return {**sample, "x": sample["x"] / 2}


@DATASETS.register_module()
class Points(BaseDataset):
    """A data set."""

    def load_data_list(self) -> list[dict[str, Any]]:
        return [{"x": float(i)} for i in range(8)]


@METRICS.register_module()
class Worst(BaseMetric):
    """A metric."""

    def process(self, data_batch: dict[str, Tensor], data_samples: Sequence[Tensor]) -> None:
        self.results.append(max(float(sample) for sample in data_samples))

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"worst": max(results)}


class Scale(BaseDataPreprocessor):
    """A preprocessor."""

    def forward(self, data: dict[str, Tensor], training: bool = False) -> dict[str, Tensor]:
        return {key: value / 2 for key, value in data.items()}


@MODELS.register_module()
class Net(BaseModel):
    """A model."""

    def __init__(self) -> None:
        super().__init__(data_preprocessor=Scale())
        self.linear = nn.Linear(1, 1)

    def forward(
        self, inputs: Tensor, data_samples: list[Tensor] | None = None, mode: str = "tensor"
    ) -> dict[str, Tensor] | list[Tensor] | Tensor:
        out: Tensor = self.linear(inputs)
        return {"loss": out.mean()} if mode == "loss" else out


class Loop(EpochBasedTrainLoop):
    """A loop."""

    def run_iter(self, idx: int, data_batch: Sequence[dict[str, Tensor]]) -> None:
        super().run_iter(idx, data_batch)


def of_a_config(file: Path) -> None:
    """What a config holds is the user's, so each value is ``Any``; all around it is not."""
    cfg = assert_type(Config.fromfile(file), Config)
    assert_type(cfg.filename, str | None)
    assert_type(cfg.text, str)
    assert_type(cfg.pretty_text, str)
    assert_type(cfg.to_dict(), dict[str, Any])
    assert_type(cfg.model, Any)
    assert_type(cfg["model"], Any)
    assert_type(cfg.get("model"), Any)
    depth: int = cfg.model.depth
    model = ConfigDict(depth=depth)
    assert_type(model, ConfigDict)
    assert_type(model.depth, Any)


def of_calls(file: Path) -> None:
    """What comes back from the functions that a project calls."""
    loader = build_dataloader({"dataset": Points(), "batch_size": 2})
    assert_type(loader, DataLoader[Any])
    assert_type(build_dataloader(Config.fromfile(file).train_dataloader), Any)
    assert_type(build_dataloader(DataLoader(Points())), DataLoader[Any])
    assert_type(build_dataloader([1, 2]), list[int])
    net = Net()
    assert_type(load_checkpoint(net, file), dict[str, Any])
    assert_type(load_checkpoint_file(file), dict[str, Any])
    assert_type(build_as(MODELS, {"type": "Net"}, Net), Net)
    runner = Runner.from_cfg(Config.fromfile(file))
    assert_type(runner, Runner)
    assert_type(runner.model, nn.Module)
    assert_type(runner.cfg, Config)
    assert_type(runner.iter, int)
    assert_type(runner.work_dir, str)
    assert_type(runner.train(), nn.Module)
    assert_type(runner.val(), dict[str, float])
    assert_type(runner.test(), dict[str, float])
    assert_type(runner.load_checkpoint(file), dict[str, Any])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    assert_type(OptimWrapper(optimizer).update_params(torch.zeros(())), None)
    build_optim_wrapper(net, {"optimizer": {"type": "SGD", "lr": 0.1}})
    assert_type(Evaluator(Worst()).evaluate(2), dict[str, Any])
