"""Runs that are broken off somewhere and resumed, for the matrix of what must come out alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset
from torchdata.stateful_dataloader import StatefulDataLoader

from engine_config import Config
from engine_dist import set_random_seed
from engine_registry import DATASETS, MODELS
from engine_runner import FlexibleRunner, Runner
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.model import BaseModel
from engine_runner.runners.base_runner import BaseRunner
from tests.runner.test_resume import Stop

SIZE, BATCH = 12, 2  # six batches a pass, three on two ranks


@DATASETS.register_module()
class Disturbed(Dataset[dict[str, Tensor]]):
    """Points that are drawn anew each time they are read."""

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> dict[str, Any]:
        point = torch.tensor([index / SIZE, (index % 5) / 5]) + 0.1 * torch.randn(2)
        return {"inputs": point, "heights": torch.tensor([index / SIZE]), "index": index}


@DATASETS.register_module()
class KnowsItsPlace(IterableDataset[dict[str, Any]]):
    """The same points as a stream that has a state of its own, and an order for each pass."""

    def __init__(self) -> None:
        self._data = Disturbed()
        self._place, self._pass = 0, 0
        self._resumed = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self._resumed:
            self._place = 0
        self._resumed = False
        while self._place < SIZE:
            self._place += 1
            yield self._data[(self._place * 5 + self._pass) % SIZE]
        self._pass += 1

    def state_dict(self) -> dict[str, int]:
        return {"place": self._place, "pass": self._pass}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._place, self._pass = state["place"], state["pass"]
        self._resumed = True


@MODELS.register_module()
class Dropping(BaseModel):
    """A small network with dropout and running statistics."""

    def __init__(self, data_preprocessor: Any = None) -> None:
        super().__init__(data_preprocessor)
        self.net = nn.Sequential(
            nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 1)
        )

    def forward(  # type: ignore[override]  # a batch names its entries
        self, inputs: Tensor, heights: Tensor, index: Tensor, mode: str = "tensor"
    ) -> Any:
        out = self.net(inputs)
        errors = (out.float() - heights).square()
        if mode == "loss":
            # which samples were seen, and in which order, is a scalar that is logged
            order = (index * torch.arange(1, len(index) + 1, device=index.device)).sum()
            return {"loss": errors.mean(), "seen": order.float()}
        return [{"error": float(e)} for e in errors] if mode == "predict" else out


class StopAt(Hook):
    """Ends a run at the n-th call of a point, after all other hooks."""

    priority = "LOWEST"
    POINTS = (
        "before_train", "before_train_iter", "after_train_iter", "after_train_epoch",
        "before_val_epoch", "after_val_iter", "after_val_epoch", "before_save_checkpoint",
    )  # fmt: skip

    def __init__(self, point: str, number: int) -> None:
        self._point, self._left = point, number

    def _count(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                raise Stop

    def before_train(self, runner: RunnerLike) -> None:
        self._count("before_train")

    def before_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
    ) -> None:
        self._count("before_train_iter")

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._count("after_train_iter")

    def after_train_epoch(self, runner: RunnerLike) -> None:
        self._count("after_train_epoch")

    def before_val_epoch(self, runner: RunnerLike) -> None:
        self._count("before_val_epoch")

    def after_val_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._count("after_val_iter")

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        self._count("after_val_epoch")

    def before_save_checkpoint(self, runner: RunnerLike, checkpoint: dict[str, Any]) -> None:
        self._count("before_save_checkpoint")


class SaveSwapped(Hook):
    """Saves in the middle of a validation, while the averaged weights are in, and ends the run."""

    def __init__(self) -> None:
        self._passes = 0

    def after_val_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self._passes += batch_idx == 0
        if self._passes == 2:
            runner.save_checkpoint(str(Path(runner.work_dir).parent), "within.pth")
            raise Stop


SCHEDULES: dict[str, list[dict[str, Any]]] = {
    "by epoch": [{"type": "ExponentialLR", "gamma": 0.8, "by_epoch": True}],
    "by iteration": [
        {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 4},
        {"type": "CosineAnnealingLR", "by_epoch": False, "begin": 4, "eta_min": 0.001},
    ],
    "plateau": [
        {"type": "ReduceOnPlateauLR", "monitor": "error", "rule": "less", "patience": 0,
         "threshold": 0.5, "factor": 0.5, "by_epoch": True},
    ],
}  # fmt: skip
WRAPPERS: dict[str, dict[str, Any]] = {
    "float32": {"type": "OptimWrapper"},
    "bfloat16": {"type": "AmpOptimWrapper", "dtype": "bfloat16"},
    "float16": {"type": "AmpOptimWrapper", "dtype": "float16", "loss_scale": "dynamic"},
}


@dataclass(frozen=True)
class Case:
    """One combination of what a run can be made of."""

    by_epoch: bool = True
    data: str = "map"
    workers: int = 0
    loader: dict[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    accumulate: int = 1
    schedule: str = "by epoch"
    compiled: bool = False
    stops_early: bool = False
    every: int = 1

    def config(self, work_dir: Path) -> dict[str, Any]:
        """Return the configuration of a run of it."""
        early = {
            "type": "EarlyStoppingHook", "monitor": "error", "rule": "less",
            "min_delta": 0.5 if self.stops_early else 0.0,
            "patience": 2 if self.stops_early else 50,
        }  # fmt: skip
        by_epoch = {"max_epochs": 4}
        by_iter = {"max_iters": 22, "val_interval": 5}
        return {
            "model": {"type": "Dropping"},
            "work_dir": str(work_dir),
            "train_dataloader": self._loader(),
            "train_cfg": by_epoch if self.by_epoch else by_iter,
            "optim_wrapper": {
                **WRAPPERS[self.precision],
                "accumulative_counts": self.accumulate,
                "optimizer": {"type": "AdamW", "lr": 0.02},
            },
            "param_scheduler": SCHEDULES[self.schedule],
            "val_dataloader": _configured("Disturbed", shuffle=False, batch_size=4),
            "val_evaluator": {"type": "ToyError"},
            "val_cfg": {},
            "randomness": {"seed": 5},
            "default_hooks": {
                "logger": {"type": "LoggerHook", "interval": 1},
                "checkpoint": {
                    "type": "CheckpointHook", "interval": self.every, "by_epoch": False,
                    "max_keep_ckpts": 2, "save_best": "error", "rule": "less",
                },
            },
            "custom_hooks": [{"type": "EMAHook", "momentum": 0.2}, early],
            "log_level": "ERROR",
            **({"compile": {"backend": "aot_eager"}} if self.compiled else {}),
        }  # fmt: skip

    def _loader(self) -> Any:
        if self.data == "stateful":
            # of torchdata: it has a state of its own, which the run keeps
            return StatefulDataLoader(
                Disturbed(), batch_size=BATCH, shuffle=True, num_workers=self.workers
            )
        name = {"map": "Disturbed", "stream": "KnowsItsPlace"}[self.data]
        shuffle = None if self.data == "stream" else True
        return _configured(name, shuffle, num_workers=self.workers, **self.loader)


def _configured(name: str, shuffle: bool | None, **changes: Any) -> dict[str, Any]:
    sampler = None if shuffle is None else {"type": "DefaultSampler", "shuffle": shuffle}
    return {
        "batch_size": BATCH, "sampler": sampler, "collate_fn": {"type": "default_collate"},
        "dataset": {"type": name}, **changes,
    }  # fmt: skip


# Persistent workers that are collected as garbage are waited for, five seconds each; at exit not.
KEPT: list[BaseRunner] = []


def run(case: Case, folder: Path, *hooks: Hook, **changes: Any) -> bool:
    """Run a case in a folder's ``work``; tell whether it came to its end."""
    set_random_seed(0)  # a loader that is built here draws as it is
    config = case.config(folder / "work")
    # the record of both runs is to be the same, so it does not say that one is resumed
    record = Config({key: value for key, value in config.items() if key != "train_dataloader"})
    config.pop("compile", None)
    config["custom_hooks"] = [*config["custom_hooks"], *hooks]
    given = {**config, **changes}
    runner: BaseRunner = (FlexibleRunner if "strategy" in given else Runner)(**given, cfg=record)
    KEPT.append(runner)
    try:
        runner.train()
    except Stop:
        return False
    return True
