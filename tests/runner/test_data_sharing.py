"""Processes that compute one batch together count for one, wherever data are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from engine_config import Config
from engine_dist import get_rank, get_world_size
from engine_dist.testing import ProcessPool
from engine_runner import FlexibleRunner

Line = dict[str, Any]
ITERS = 10


def config_of(folder: str, **changes: Any) -> dict[str, Any]:
    """Return the example's configuration, smaller, and with all that counts samples."""
    cfg = Config.fromfile("examples/lm/config.py")
    cfg.model.update(block_size=16, width=16, depth=1, heads=2, dropout=0.2)
    for loader, workers in ((cfg.train_dataloader, 1), (cfg.val_dataloader, 0)):
        loader.dataset.update(block_size=16, characters=7000)
        loader.update(batch_size=16, num_workers=workers)
    cfg.train_cfg.update(max_iters=ITERS, val_interval=5)
    cfg.param_scheduler = [{"type": "CosineAnnealingLR", "by_epoch": False}]
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint.interval = 4
    cfg.log_processor.window_size = 1
    made: dict[str, Any] = cfg.to_dict()
    made |= {"work_dir": folder, "auto_scale_lr": {"enable": True, "base_batch_size": 32}}
    return {**made, **changes}


def course(folder: str, changes: dict[str, Any]) -> tuple[list[Line], dict[str, Any]]:
    """Run it, on one process or on all; return what it logs, and what it has counted."""
    runner = FlexibleRunner.from_cfg(config_of(folder, **changes))
    runner.train()
    lines = []
    if get_rank() == 0:
        (file,) = Path(runner.log_dir).glob("vis_data/scalars.json")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
    loop: Any = runner.train_loop
    counted = {
        "iterations of an epoch": len(loop.dataloader), "tokens": loop.progress.tokens,
        "position": loop.dataloader.sampler.state_dict(ITERS * 16)["position"],
        "generator": bytes(torch.get_rng_state().tolist()),
        "rate": [group["lr"] for group in runner.optim_wrapper.param_groups],
    }  # fmt: skip
    return lines, counted


def values(lines: list[Line]) -> list[tuple[str, float]]:
    timed = ("time", "data_time", "memory", "eta")
    return [
        (name, value)
        for line in lines
        for name, value in line.items()
        if not name.endswith(timed) and isinstance(value, (int, float))
    ]


PARALLEL = {"strategy": {"type": "TensorParallelStrategy"}, "launcher": "pytorch"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    return folder, course(str(folder), {})


def test_two_that_split_layers_log_what_one_does(
    alone: Any, pool2: ProcessPool, tmp_path: Path
) -> None:
    _, (lines, counted) = alone
    (own, first), (_, second) = pool2.run(course, str(tmp_path), PARALLEL, timeout=200)
    assert [name for name, _ in values(own)] == [name for name, _ in values(lines)]
    assert {"loss", "lr", "grad_norm"} <= {name for name, _ in values(own)}
    for (name, value), (_, other) in zip(values(own), values(lines), strict=True):
        assert value == pytest.approx(other, rel=1e-5, abs=1e-9), name
    assert first == second == counted


@pytest.mark.parametrize("back", [False, True], ids=["one-to-two", "two-to-one"])
def test_each_goes_on_from_the_other(
    alone: Any, pool2: ProcessPool, tmp_path: Path, back: bool
) -> None:
    folder, (lines, counted) = alone
    path = str(folder / "iter_4.pth")
    if back:
        pool2.run(course, str(tmp_path / "first"), PARALLEL, timeout=200)
        path = str(tmp_path / "first" / "iter_4.pth")
    changes = {"resume": True, "load_from": path}
    if back:
        own, first = course(str(tmp_path), changes)
    else:
        (own, first), _ = pool2.run(course, str(tmp_path), PARALLEL | changes, timeout=200)
    rest = [line for line in lines if line["step"] > 4]
    assert [name for name, _ in values(own)] == [name for name, _ in values(rest)]
    for (name, value), (_, other) in zip(values(own), values(rest), strict=True):
        assert value == pytest.approx(other, rel=1e-5, abs=1e-9), name
    assert first == counted
    assert get_world_size() == 1
