"""The runs that the checkpoints here were taken from, for MMEngine and for this engine alike.

Neither is imported: a class is made on the base of whichever asks.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

SAMPLES, BATCH = 12, 4
FACTORS = ("Constant", "CosineAnnealing", "Exponential", "Linear", "MultiStep", "Poly", "Step")

_SGD = {"type": "SGD", "lr": 0.05, "momentum": 0.5}


class Points(Dataset[dict[str, Tensor]]):
    """Points on a plane and their heights, by a formula."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        x, y = math.sin(index), math.cos(2 * index)
        return {"inputs": torch.tensor([x, y]), "heights": torch.tensor([2 * x - y + 0.5 * x * y])}


def nets(base: Any) -> Any:
    """Return a model class: some linear layers, each with a loss of its own."""

    class Nets(base):  # type: ignore[misc]  # of whichever engine asks
        def __init__(self, names: list[str]) -> None:
            super().__init__()
            self.nets = nn.ModuleDict({name: nn.Linear(2, 1) for name in names})
            for parameter in self.parameters():
                nn.init.constant_(parameter, 0.1)

        def forward(self, inputs: Tensor, heights: Tensor, mode: str = "tensor") -> Any:
            errors = {name: (net(inputs) - heights).square() for name, net in self.nets.items()}
            if mode == "loss":
                return {f"loss_{name}": error.mean() for name, error in errors.items()}
            return [sum(float(error.mean()) for error in errors.values())]

        def train_step(self, data: Any, optim_wrapper: Any) -> Any:
            if not hasattr(optim_wrapper, "items") or not callable(optim_wrapper.items):
                return super().train_step(data, optim_wrapper)
            losses = self.forward(**data, mode="loss")
            for name, wrapper in optim_wrapper.items():
                wrapper.update_params(losses[f"loss_{name}"])
            return {name: loss.detach() for name, loss in losses.items()}

    return Nets


def error(base: Any) -> Any:
    """Return a metric class: the mean of what the model predicts."""

    class Error(base):  # type: ignore[misc]  # of whichever engine asks
        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results.extend(data_samples)

        def compute_metrics(self, results: Any) -> dict[str, float]:
            return {"error": sum(results) / len(results)}

    return Error


def noting(base: Any) -> Any:
    """Return a hook class: it keeps losses, settings and what was measured."""

    class Noting(base):  # type: ignore[misc]  # of whichever engine asks
        priority = "LOWEST"

        def __init__(self) -> None:
            self.losses: list[dict[str, float]] = []
            self.settings: list[dict[str, list[float]]] = []
            self.measured: list[float] = []

        def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
            wrapper = runner.optim_wrapper
            self.settings.append({**wrapper.get_lr(), **wrapper.get_momentum()})

        def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
            outputs = {k: torch.as_tensor(v).detach() for k, v in kwargs["outputs"].items()}
            self.losses.append({k: float(v) for k, v in outputs.items() if "loss" in k})

        def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
            self.measured.append(float(metrics["error"]))

    return Noting


def _loader(sampler: str, shuffle: bool) -> dict[str, Any]:
    return {
        "batch_size": BATCH,
        "num_workers": 0,
        "dataset": Points(),
        "sampler": {"type": sampler, "shuffle": shuffle, "seed": 5},
        "collate_fn": {"type": "default_collate"},
    }


def _run(by_epoch: bool, **changes: Any) -> dict[str, Any]:
    length = (
        {"by_epoch": True, "max_epochs": 6} if by_epoch else {"by_epoch": False, "max_iters": 16}
    )
    return {
        "names": ["net"],
        "train_cfg": {**length, "val_interval": 1 if by_epoch else 4},
        "train_dataloader": _loader("DefaultSampler", shuffle=True),
        "optim_wrapper": {"type": "OptimWrapper", "optimizer": _SGD},
        "param_scheduler": [],
        "saved_as": "epoch_3" if by_epoch else "iter_7",
        **changes,
    }


def _factor_settings(kind: str, by_epoch: bool) -> dict[str, Any]:
    settings: dict[str, dict[str, Any]] = {
        "Constant": {"factor": 0.5, "end": 4},
        "CosineAnnealing": {"T_max": 5, "eta_min": 0.01},
        "Exponential": {"gamma": 0.8},
        "Linear": {"start_factor": 0.25, "end": 5},
        "MultiStep": {"milestones": [2, 4], "gamma": 0.5},
        "Poly": {"power": 2.0, "eta_min": 0.01, "end": 6},
        "Step": {"step_size": 2, "gamma": 0.5},
    }
    return {**settings[kind], "by_epoch": by_epoch}


def schedules(by_epoch: bool) -> dict[str, list[dict[str, Any]]]:
    """Return every schedule there is, one optimizer each, of learning rate and momentum."""
    found: dict[str, list[dict[str, Any]]] = {}
    settings = {kind: _factor_settings(kind, by_epoch) for kind in FACTORS}
    settings["CosineRestart"] = {
        "periods": [2, 8], "restart_weights": [1, 0.5], "eta_min": 0.01, "by_epoch": by_epoch
    }  # fmt: skip
    for kind, own in settings.items():
        found[kind] = [{"type": f"{kind}{what}", **own} for what in ("LR", "Momentum")]
    steps = 6 if by_epoch else 16
    found["OneCycle"] = [
        {"type": "OneCycleLR", "eta_max": 0.1, "total_steps": steps, "by_epoch": by_epoch}
    ]
    if by_epoch:  # these watch what a validation measures, which they count by epochs alone
        plateau = {"monitor": "error", "patience": 0, "threshold": 0.5, "factor": 0.5}
        found["Plateau"] = [
            {"type": f"ReduceOnPlateau{what}", **plateau} for what in ("LR", "Momentum")
        ]
        found["Converted"] = [
            {"type": "LinearLR", "start_factor": 0.1, "end": 5, "convert_to_iter_based": True}
        ]
    return found


def _scheduled(by_epoch: bool) -> dict[str, Any]:
    all_of_them = schedules(by_epoch)
    return _run(
        by_epoch, names=list(all_of_them), param_scheduler=all_of_them, optim_wrapper=dict(_SGD)
    )


RECIPES: dict[str, dict[str, Any]] = {
    "plain-epoch": _run(
        True,
        optim_wrapper={
            "type": "OptimWrapper", "optimizer": _SGD, "paramwise_cfg": {"bias_lr_mult": 2.0}
        },
        param_scheduler=[
            {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "end": 4},
            {"type": "CosineAnnealingLR", "begin": 1},
        ],
    ),
    "plain-iter": _run(
        False,
        train_dataloader=_loader("InfiniteSampler", shuffle=False),  # else, orders of their own
        optim_wrapper={"type": "OptimWrapper", "optimizer": {"type": "AdamW", "lr": 0.05}},
    ),
    "amid-epoch": _run(True, saved_as="iter_7"),
    "averaged": _run(True, custom_hooks=[{"type": "EMAHook", "momentum": 0.3}]),
    "amp": _run(
        True, optim_wrapper={"type": "AmpOptimWrapper", "dtype": "bfloat16", "optimizer": _SGD}
    ),
    "accumulation": _run(
        False,
        optim_wrapper={"type": "OptimWrapper", "optimizer": _SGD, "accumulative_counts": 2},
    ),
    "schedules-epoch": _scheduled(True),
    "schedules-iter": _scheduled(False),
}  # fmt: skip
