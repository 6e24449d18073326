"""A test case that has what a small run needs."""

from __future__ import annotations

import copy
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, ClassVar
from unittest import TestCase

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from engine_config import Config
from engine_dist.launch import shut_down
from engine_evaluator import BaseMetric
from engine_registry import DATASETS, METRICS, MODELS, DefaultScope
from engine_registry.scope import current_scope
from engine_runner.logging import MessageHub, MMLogger
from engine_runner.model import BaseModel
from engine_runner.runners.base_runner import BaseRunner
from engine_runner.runners.flexible_runner import FlexibleRunner
from engine_runner.runners.runner import Runner
from engine_runner.visualization import Visualizer

__all__ = ["RunnerTestCase"]


class ToyModel(BaseModel):
    """Two linear layers, and how far their sum is from a label."""

    def __init__(self, data_preprocessor: Any = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.linear1 = nn.Linear(2, 2)
        self.linear2 = nn.Linear(2, 1)

    def forward(
        self, inputs: Any, data_samples: Any = None, mode: str = "tensor"
    ) -> Any:  # BaseModel's
        inputs = torch.stack(list(inputs)) if isinstance(inputs, (list, tuple)) else inputs
        if isinstance(data_samples, (list, tuple)):
            data_samples = torch.stack(list(data_samples))
        outputs = self.linear2(self.linear1(inputs))
        if mode == "loss":
            return {"loss": (data_samples - outputs).sum()}
        return outputs


class ToyDataset(Dataset[dict[str, Tensor]]):
    """Twelve random points, all with the label 1."""

    METAINFO: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.data = torch.randn(12, 2)
        self.label = torch.ones(12)

    @property
    def metainfo(self) -> dict[str, Any]:
        """What is known of all samples: nothing."""
        return self.METAINFO

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"inputs": self.data[index], "data_samples": self.label[index]}


class ToyMetric(BaseMetric):
    """A metric that is always 1."""

    default_prefix = "toy"

    def process(self, data_batch: Any, data_samples: Any) -> None:  # BaseMetric's
        self.results.extend({"acc": 1} for _ in data_samples)

    def compute_metrics(self, results: list[Any]) -> dict[str, int]:  # BaseMetric's
        return {"acc": 1}


_TOYS: dict[str, tuple[Any, type]] = {
    "ToyModel": (MODELS, ToyModel),
    "ToyDataset": (DATASETS, ToyDataset),
    "ToyMetric": (METRICS, ToyMetric),
}


def _loader(sampler: str, shuffle: bool) -> dict[str, Any]:
    return {
        "dataset": {"type": "ToyDataset"},
        "sampler": {"type": sampler, "shuffle": shuffle},
        "batch_size": 3,
        "num_workers": 0,
    }


def _configs(work_dir: str) -> tuple[Config, Config]:
    """Return what trains by epoch, and by iteration."""
    by_epoch: dict[str, Any] = {
        "work_dir": work_dir,
        "model": {"type": "ToyModel"},
        "train_dataloader": _loader("DefaultSampler", True),
        "val_dataloader": _loader("DefaultSampler", False),
        "val_evaluator": [{"type": "ToyMetric"}],
        "test_dataloader": _loader("DefaultSampler", False),
        "test_evaluator": [{"type": "ToyMetric"}],
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
        "train_cfg": {"by_epoch": True, "max_epochs": 2, "val_interval": 1},
        "val_cfg": {},
        "test_cfg": {},
        "default_hooks": {"logger": {"type": "LoggerHook", "interval": 1}},
        "custom_hooks": [],
        "env_cfg": {"dist_cfg": {"backend": "nccl"}},
        "experiment_name": "test1",
    }
    by_iter = {
        **copy.deepcopy(by_epoch),
        "train_dataloader": _loader("InfiniteSampler", True),
        "train_cfg": {"by_epoch": False, "max_iters": 12},
        "default_hooks": {
            "logger": {"type": "LoggerHook", "interval": 1},
            "checkpoint": {"type": "CheckpointHook", "interval": 12, "by_epoch": False},
        },
        "log_processor": {"by_epoch": False},
    }
    return Config(by_epoch), Config(by_iter)


class RunnerTestCase(TestCase):
    """A test case with the configurations of two small runs, in a folder of its own.

    For the length of each test, ``ToyModel``, ``ToyDataset`` and ``ToyMetric`` are registered; what a
    run leaves in the process is taken away after it.

    Attributes
    ----------
    epoch_based_cfg, iter_based_cfg : Config
        Runs of two epochs, and of 12 iterations.
    temp_dir : TemporaryDirectory
        Where they write.
    dist_cfg : dict
        The environment of a job of one process, for `setup_dist_env`.
    """

    dist_cfg: ClassVar[dict[str, Any]] = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": 29600,
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
    }

    temp_dir: tempfile.TemporaryDirectory[str]
    epoch_based_cfg: Config
    iter_based_cfg: Config

    def setUp(self) -> None:
        """Register the toys, and make the folder and the configurations."""
        self.temp_dir = tempfile.TemporaryDirectory()
        self._environment = dict(os.environ)
        self._scope = current_scope.get()
        self._replaced: dict[str, Any] = {}
        for name, (registry, toy) in _TOYS.items():
            self._replaced[name] = registry.module_dict.get(name)
            registry.register_module(name=name, module=toy, force=True)
        self.epoch_based_cfg, self.iter_based_cfg = _configs(self.temp_dir.name)

    def tearDown(self) -> None:
        """Take away what a run left: loggers, hubs, scopes, the process group, the environment."""
        for name in MMLogger.instance_names():
            MMLogger.get_instance(name).close()
        for kind in (MessageHub, Visualizer, DefaultScope):
            kind._instance_dict.clear()
        current_scope.set(self._scope)
        for name, (registry, _) in _TOYS.items():
            registry.module_dict.pop(name, None)
            if self._replaced[name] is not None:
                registry.register_module(name=name, module=self._replaced[name])
        shut_down()
        os.environ.clear()
        os.environ.update(self._environment)
        self.temp_dir.cleanup()

    def clear_work_dir(self) -> None:
        """Delete what the runs wrote."""
        self.temp_dir.cleanup()
        Path(self.temp_dir.name).mkdir()

    def build_runner(self, cfg: Config) -> BaseRunner:
        """Return the runner of a configuration, under a name that no other has.

        Parameters
        ----------
        cfg : Config
            The configuration; ``runner_type`` may say ``FlexibleRunner``.
        """
        cfg = copy.deepcopy(cfg)
        cfg.experiment_name = self.experiment_name
        kind = FlexibleRunner if cfg.get("runner_type") == "FlexibleRunner" else Runner
        made: BaseRunner = kind.from_cfg(cfg)
        return made

    @property
    def experiment_name(self) -> str:
        """A name that no other run has."""
        return f"{self._testMethodName}_{time.time()} + {uuid.uuid4()}"

    def setup_dist_env(self) -> None:
        """Set the environment as for a job of one process, on a port that the last had not."""
        self.dist_cfg["MASTER_PORT"] += 1
        os.environ.update({name: str(value) for name, value in self.dist_cfg.items()})
