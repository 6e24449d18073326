"""A resumed run draws the random numbers that the unbroken one would have drawn."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from engine_dist import set_random_seed
from engine_registry import DATASETS, MODELS
from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.model import BaseModel
from tests.runner.test_resume import Stop, StopAt
from tests.runner.toys import run_cfg

BATCHES, BATCH = 5, 2


@DATASETS.register_module()
class NoisyData(Dataset[dict[str, Tensor]]):
    """Points that every generator disturbs as they are read."""

    def __len__(self) -> int:
        return BATCHES * BATCH

    def __getitem__(self, index: int) -> dict[str, Any]:
        noise = torch.rand(2) + random.random() + float(np.random.rand())  # noqa: NPY002  # as user code does
        return {"inputs": (index / 10 + noise) / 4, "heights": torch.tensor([index / 10])}


@MODELS.register_module()
class DroppingModel(BaseModel):
    """A small network with dropout that draws from numpy and Python, too."""

    def __init__(self, data_preprocessor: Any = None) -> None:
        super().__init__(data_preprocessor)
        self.net = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.losses: list[float] = []

    def forward(  # type: ignore[override]  # a batch names its entries
        self, inputs: Tensor, heights: Tensor, mode: str = "tensor"
    ) -> Any:
        out = self.net(inputs)
        if mode == "loss":
            scale = 1 + 0.1 * random.random() + 0.1 * float(np.random.rand())  # noqa: NPY002  # as user code does
            loss = scale * (out - heights).square().mean()
            self.losses.append(float(loss.detach()))
            return {"loss": loss}
        return (
            [{"error": float(e)} for e in (out - heights).square()] if mode == "predict" else out
        )


class OwnOrder(Sampler[int]):
    """A sampler that knows nothing of its place, and draws its order when it begins."""

    def __iter__(self) -> Iterator[int]:
        return iter(torch.randperm(BATCHES * BATCH).tolist())

    def __len__(self) -> int:
        return BATCHES * BATCH


def configured(**changes: Any) -> dict[str, Any]:
    return {
        "dataset": {"type": "NoisyData"}, "batch_size": BATCH,
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "collate_fn": {"type": "default_collate"}, **changes,
    }  # fmt: skip


def by_hand(**changes: Any) -> DataLoader[Any]:
    return DataLoader(NoisyData(), batch_size=BATCH, **changes)


LOADERS: dict[str, Any] = {
    "configured": configured,
    "configured, workers": lambda: configured(num_workers=2),
    "configured, persistent workers": lambda: configured(num_workers=2, persistent_workers=True),
    "configured, workers far ahead": lambda: configured(num_workers=2, prefetch_factor=4),
    "by hand": lambda: by_hand(shuffle=True),
    "by hand, in order": by_hand,
    "by hand, workers": lambda: by_hand(shuffle=True, num_workers=2),
    "by hand, own sampler": lambda: by_hand(sampler=OwnOrder()),
    "a list": lambda: [default_collate([NoisyData()[i]]) for i in range(BATCHES)],
}


class Whole(Hook):
    """Keeps the weights and the momenta as they stand at the end."""

    def after_train(self, runner: RunnerLike) -> None:
        optimizer = runner.optim_wrapper.optimizer
        momenta = [optimizer.state[p]["momentum_buffer"] for p in runner.model.parameters()]
        self.end = [t.detach().clone() for t in [*runner.model.parameters(), *momenta]]


def a_run(folder: Path, loader: Any, by_epoch: bool, *hooks: Hook, **changes: Any) -> Runner:
    set_random_seed(0)  # a list of batches is drawn here
    hook = {"type": "CheckpointHook", "interval": 1, "by_epoch": False}
    cfg = run_cfg(
        folder,
        model={"type": "DroppingModel"},
        train_dataloader=loader(),
        val_dataloader=loader(),
        train_cfg={"max_epochs": 3} if by_epoch else {"max_iters": 15, "val_interval": 4},
        default_hooks={"checkpoint": hook},
        custom_hooks=list(hooks),
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}},
    )
    cfg.update(changes)
    return Runner(**cfg)


# Persistent workers that are collected as garbage are waited for, five seconds each; at exit not.
KEPT: list[Runner] = []


def check(folder: Path, loader: Any, by_epoch: bool, stops: tuple[int, ...]) -> None:
    whole = Whole()
    unbroken = a_run(folder / "whole", loader, by_epoch, whole)
    unbroken.train()
    KEPT.append(unbroken)
    for stop in stops:
        broken = a_run(folder / str(stop), loader, by_epoch, StopAt(stop))
        with pytest.raises(Stop):
            broken.train()
        rest = Whole()
        resumed = a_run(folder / str(stop), loader, by_epoch, rest, resume=True)
        resumed.train()
        KEPT.extend((broken, resumed))
        losses = [*broken.model.losses, *resumed.model.losses]  # type: ignore[misc]  # the model's own list
        assert losses == unbroken.model.losses
        assert all(torch.equal(a, b) for a, b in zip(rest.end, whole.end, strict=True))


@pytest.mark.parametrize("by_epoch", [True, False])
@pytest.mark.parametrize("kind", [name for name in LOADERS if "workers" not in name])
def test_a_resumed_run_is_the_unbroken_one(tmp_path: Path, kind: str, by_epoch: bool) -> None:
    # in the middle of a pass, at its end, before its last batch
    check(tmp_path, LOADERS[kind], by_epoch, (7, 10, 14))


@pytest.mark.parametrize(
    ("kind", "by_epoch"),
    [("configured, workers", True), ("by hand, workers", False), ("configured, workers", False),
     ("configured, workers far ahead", True)],
)  # fmt: skip
def test_a_resumed_run_with_workers(tmp_path: Path, kind: str, by_epoch: bool) -> None:
    check(tmp_path, LOADERS[kind], by_epoch, (6,))  # the first batch of an epoch


@pytest.mark.parametrize("by_epoch", [True, False])
def test_a_resumed_run_with_persistent_workers(tmp_path: Path, by_epoch: bool) -> None:
    check(tmp_path, LOADERS["configured, persistent workers"], by_epoch, (7, 10))


@pytest.mark.slow
@pytest.mark.parametrize("by_epoch", [True, False])
@pytest.mark.parametrize("kind", [name for name in LOADERS if "workers" in name])
def test_a_resumed_run_wherever_it_was_stopped(tmp_path: Path, kind: str, by_epoch: bool) -> None:
    check(tmp_path, LOADERS[kind], by_epoch, (1, 4, 5, 6, 7, 9, 10, 14))


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.runner.test_resume_random import LOADERS, Hook, a_run

class Kill(Hook):
    priority = "LOWEST"
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

hook = {"type": "CheckpointHook", "interval": 3, "by_epoch": False}
loader = LOADERS["configured, workers"]
a_run(Path(sys.argv[1]), loader, True, Kill(), default_hooks={"checkpoint": hook}).train()
"""


def test_a_killed_run(tmp_path: Path) -> None:
    hook = {"type": "CheckpointHook", "interval": 3, "by_epoch": False}
    loader = LOADERS["configured, workers"]
    unbroken = a_run(tmp_path / "whole", loader, True, default_hooks={"checkpoint": hook})
    unbroken.train()
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a"), "8"], check=False)
    assert done.returncode == -signal.SIGKILL
    resumed = a_run(tmp_path / "a", loader, True, default_hooks={"checkpoint": hook}, resume=True)
    resumed.train()
    assert resumed.model.losses == unbroken.model.losses[6:]  # type: ignore[index]  # the model's own list


class SaveWithin(Hook):
    """Saves in the middle of a validation, as one does who saves by the clock, and ends the run."""

    def __init__(self, at: str) -> None:
        self.at = at

    def _save(self, runner: RunnerLike, at: str) -> None:
        if at == self.at and runner.iter >= 5:
            runner.save_checkpoint(runner.work_dir, "within.pth")
            raise Stop

    def before_val(self, runner: RunnerLike) -> None:
        self._save(runner, "before_val")

    def after_val_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if batch_idx == 2:
            self._save(runner, "after_val_iter")

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        self._save(runner, "after_val_epoch")


@pytest.mark.parametrize("at", ["before_val", "after_val_iter", "after_val_epoch"])
@pytest.mark.parametrize(("kind", "by_epoch"), [("configured", True), ("configured", False)])
def test_a_run_saved_within_a_validation(
    tmp_path: Path, kind: str, by_epoch: bool, at: str
) -> None:
    loader, whole, rest = LOADERS[kind], Whole(), Whole()
    unbroken = a_run(tmp_path / "whole", loader, by_epoch, whole)
    unbroken.train()
    broken = a_run(tmp_path / "a", loader, by_epoch, SaveWithin(at), default_hooks=NO_SAVES)
    with pytest.raises(Stop):
        broken.train()
    file = str(tmp_path / "a" / "within.pth")
    resumed = a_run(tmp_path / "a", loader, by_epoch, rest, load_from=file, resume=True)
    resumed.train()
    losses = [*broken.model.losses, *resumed.model.losses]  # type: ignore[misc]  # the model's own list
    assert losses == unbroken.model.losses
    assert all(torch.equal(a, b) for a, b in zip(rest.end, whole.end, strict=True))


NO_SAVES = {"checkpoint": None}


@pytest.mark.parametrize("kind", ["configured", "configured, workers"])
def test_an_epoch_that_was_resumed_is_over_when_it_is_saved_again(
    tmp_path: Path, kind: str
) -> None:
    loader = LOADERS[kind]
    unbroken = a_run(tmp_path / "whole", loader, True)
    unbroken.train()
    first = a_run(tmp_path / "a", loader, True, StopAt(7))
    with pytest.raises(Stop):
        first.train()
    by_epoch = {"checkpoint": {"type": "CheckpointHook", "interval": 1}}
    second = a_run(tmp_path / "a", loader, True, StopAt(11), default_hooks=by_epoch, resume=True)
    with pytest.raises(Stop):
        second.train()
    third = a_run(tmp_path / "a", loader, True, resume=True)
    third.train()
    assert third.model.losses == unbroken.model.losses[10:]  # type: ignore[index]  # the model's own list


def test_a_run_on_another_number_of_workers_says_so(tmp_path: Path) -> None:
    broken = a_run(tmp_path, LOADERS["configured, workers"], True, StopAt(7))
    with pytest.raises(Stop):
        broken.train()
    fewer = LOADERS["configured"]
    resumed = a_run(tmp_path, fewer, True, resume=True, log_level="WARNING")
    resumed.train()
    told = "".join(file.read_text() for file in tmp_path.glob("*/*.log"))
    assert "there were 2 workers, and are 0" in told
    assert len(resumed.model.losses) == 8  # type: ignore[arg-type]  # the model's own list
