"""What passes from a configuration to the first iteration: `Runner.from_cfg` and the start of training.

A small network, 200 images of digits' size, the default hooks, a validation set. The import of the
library is not in it; MMEngine takes part where ``--contender-python`` has it.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from benchmarks import harness

__all__ = ["make_bare", "make_engine", "make_mmengine"]


class Begun(Exception):  # noqa: N818  # no error: the first iteration is done
    """The first iteration is done."""


class Images(Dataset[dict[str, Tensor]]):
    """Images of 8 by 8 points in ten classes."""

    def __init__(self, size: int = 200) -> None:
        self.images = torch.rand(size, 64, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"inputs": self.images[index], "labels": index % 10}


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def make_bare() -> Callable[[], object]:
    """Make network, loader and optimizer by hand, and train on the first batch."""

    def work() -> None:
        network = _network()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        batch = next(iter(torch.utils.data.DataLoader(Images(), batch_size=20, shuffle=True)))
        nn.functional.cross_entropy(network(batch["inputs"]), batch["labels"]).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()

    return work


def _config(folder: str) -> dict[str, Any]:
    loader = {
        "batch_size": 20,
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "collate_fn": {"type": "default_collate"},
        "dataset": {"type": "StartImages"},
    }
    return {
        "model": {"type": "StartModel"},
        "work_dir": folder,
        "experiment_name": folder,  # MMEngine's of one second would share a visualizer
        "train_dataloader": loader,
        "train_cfg": {"by_epoch": True, "max_epochs": 2},
        "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}},
        "param_scheduler": {"type": "CosineAnnealingLR", "T_max": 2},
        "val_dataloader": loader,
        "val_cfg": {},
        "val_evaluator": {"type": "StartMetric"},
        "custom_hooks": [{"type": "StartHook"}],
        "log_level": "ERROR",
    }


def _starting(runner: Any, registries: Any, base: Any, hook: Any, metric: Any) -> Any:
    class StartModel(base):  # type: ignore[misc]  # of whichever library
        """The network with a loss."""

        def __init__(self) -> None:
            super().__init__()
            self.network = _network()

        def forward(self, inputs: Tensor, labels: Tensor, mode: str = "loss") -> Any:
            return {"loss": nn.functional.cross_entropy(self.network(inputs), labels)}

    class StartHook(hook):  # type: ignore[misc]  # as above
        """Ends it after the first iteration."""

        def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
            raise Begun

    class StartMetric(metric):  # type: ignore[misc]  # as above
        """Measures nothing."""

        def process(self, data_batch: Any, data_samples: Any) -> None:
            """Look at nothing."""

        def compute_metrics(self, results: Any) -> dict[str, float]:
            return {"none": 0.0}

    registries.MODELS.register_module(module=StartModel, force=True)
    registries.HOOKS.register_module(module=StartHook, force=True)
    registries.METRICS.register_module(module=StartMetric, force=True)
    registries.DATASETS.register_module(name="StartImages", module=Images, force=True)

    def work() -> None:
        folder = tempfile.mkdtemp()
        try:
            runner.from_cfg(_config(folder)).train()
        except Begun:
            shutil.rmtree(folder, ignore_errors=True)

    return work


def make_engine() -> Callable[[], object]:
    """Start a run of this engine."""
    import engine_registry
    from engine_evaluator import BaseMetric
    from engine_runner import Runner
    from engine_runner.hooks import Hook
    from engine_runner.model import BaseModel

    return _starting(Runner, engine_registry, BaseModel, Hook, BaseMetric)  # type: ignore[no-any-return]  # of the factory


def make_mmengine() -> Callable[[], object]:
    """Start a run of MMEngine."""
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    from mmengine import registry
    from mmengine.config import Config
    from mmengine.evaluator import BaseMetric
    from mmengine.hooks import Hook
    from mmengine.model import BaseModel
    from mmengine.runner import Runner

    class FromDict(Runner):  # type: ignore[misc]  # of a library without types
        """Takes a dictionary, as this engine's does."""

        @classmethod
        def from_cfg(cls, cfg: Any) -> Any:
            return super().from_cfg(Config(cfg))

    return _starting(FromDict, registry, BaseModel, Hook, BaseMetric)  # type: ignore[no-any-return]  # as above


CONTENDERS: dict[str, harness.Factory] = {
    "by hand": make_bare,
    "this engine": make_engine,
    "MMEngine": harness.elsewhere("benchmarks.runner_start:make_mmengine"),
}

if __name__ == "__main__":
    raise SystemExit(harness.main("From a configuration to an iteration", CONTENDERS, "by hand"))
