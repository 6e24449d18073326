"""A run by iterations that stops within a pass: its workers end with it, and it may go on."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.toys import loader_cfg, run_cfg, stream_cfg


class Stop(Hook):
    """Stops the training after each of some iterations."""

    def __init__(self, *after: int) -> None:
        self.after = after

    def after_train_iter(self, runner: RunnerLike, *of_batch: Any, **outputs: Any) -> None:
        runner.train_loop.stop_training = runner.iter + 1 in self.after


def workers() -> list[Any]:
    return [process for process in multiprocessing.active_children() if process.daemon]


def trained(
    folder: Path, loader: dict[str, Any], num_workers: int, *stops: int
) -> tuple[Any, ...]:
    cfg = run_cfg(folder, train_dataloader=loader, custom_hooks=[Stop(*stops)])
    cfg |= {"param_scheduler": None, "train_cfg": {"max_iters": 10, "val_interval": 100}}
    cfg["train_dataloader"]["num_workers"] = num_workers
    runner = Runner(**cfg)
    runner.train()
    assert not workers()
    for stop in stops:
        assert runner.iter == stop
        runner.train_loop.stop_training = False
        runner.train_loop.run()
        assert not workers()
    runner.visualizer.close()
    model: Any = runner.model
    return model.seen, model.linear.weight, torch.rand(3)


@pytest.mark.parametrize("stops", [(4,), (3,), (2, 7)])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_run_goes_on_as_if_it_had_not_stopped(
    tmp_path: Path, stops: tuple[int, ...], stream: bool, num_workers: int
) -> None:
    loader = stream_cfg(size=7, batch_size=2) if stream else loader_cfg()
    unbroken = trained(tmp_path / "unbroken", dict(loader), num_workers)
    stopped = trained(tmp_path / "stopped", dict(loader), num_workers, *stops)
    assert stopped[0] == unbroken[0]
    assert torch.equal(stopped[1], unbroken[1])
    assert torch.equal(stopped[2], unbroken[2])


def test_what_gives_batches_once_goes_on(tmp_path: Path) -> None:
    batches = (
        {"inputs": torch.ones(1, 2), "heights": torch.ones(1, 1), "index": torch.tensor([number])}
        for number in range(10)
    )
    cfg = run_cfg(tmp_path, train_dataloader=batches, param_scheduler=None, custom_hooks=[Stop(3)])
    cfg["train_cfg"] = {"max_iters": 6, "val_interval": 100}
    runner = Runner(**cfg)
    runner.train()
    runner.train_loop.stop_training = False
    runner.train_loop.run()
    runner.visualizer.close()
    model: Any = runner.model
    assert model.seen == [[number] for number in range(6)]
