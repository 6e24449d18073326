"""Processes that compute one batch together count for one, wherever data are counted."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from engine_config import Config
from engine_dataset import build_dataloader
from engine_dataset.loader_state import get_loader_state
from engine_dist import convert_sync_batchnorm, data_parallel, get_rank, get_world_size
from engine_dist.checkpoint.rank_buffers import gather_buffers, put_buffers
from engine_dist.data_parallel import share_data
from engine_dist.testing import ProcessPool
from engine_evaluator import Evaluator
from engine_registry import HOOKS
from engine_runner import FlexibleRunner
from engine_runner.hooks import Hook
from engine_runner.hooks.every import Every
from engine_runner.hooks.meters import meter_of
from tests.evaluator.samples import Count, batches, predictions, share
from tests.runner.toys import stream_cfg

Line = dict[str, Any]
ITERS = 10


@HOOKS.register_module()
class Sixties(Hook[Any]):
    """Logs how many tokens there were, and which iteration makes 60 samples."""

    def before_train(self, runner: Any) -> None:
        self.tokens = runner.train_loop.count_tokens()
        self.sixty = meter_of(Every(60, "samples"), runner).next_after(0)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        runner.message_hub.update_scalar("train/tokens", self.tokens())
        runner.message_hub.update_scalar("train/sixty", self.sixty)


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
    cfg.train_cfg.token_key = "inputs"
    cfg.custom_hooks = [{"type": "Sixties"}]
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
    assert {"loss", "lr", "grad_norm", "tokens", "sixty"} <= {name for name, _ in values(own)}
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


METRICS: list[Any] = [
    {"type": "Accuracy"}, {"type": "ConfusionMatrix"},
    {"type": "ValidationLoss"}, Count(),
]  # fmt: skip
if find_spec("torchmetrics"):
    total = {"type": "torchmetrics.SumMetric"}
    METRICS.append({"type": "TorchMetric", "metric": total, "inputs": ("loss",), "name": "total"})


def measured(size: int, copies: int, folder: str | None) -> dict[str, Any]:
    """Evaluate the samples of this process, of which so many have the same."""
    place = share_data(copies)
    evaluator = Evaluator(METRICS if folder is None else [*METRICS[:3], Count(collect_dir=folder)])
    evaluator.start(size)
    for batch in batches(predictions(size), share(size, place.rank, place.size), 2):
        evaluator.process(batch)
    return evaluator.evaluate(size)


def test_each_sample_is_measured_once(
    pool2: ProcessPool, pool4: ProcessPool, tmp_path: Path
) -> None:
    for size, folder in ((7, None), (8, str(tmp_path))):
        alone = measured(size, 1, folder)
        for pool in (pool2, pool4):
            for found in pool.run(measured, size, 2, folder):
                assert found.keys() == alone.keys()
                for name, value in alone.items():
                    assert np.asarray(found[name]) == pytest.approx(np.asarray(value)), name


def streamed(copies: int) -> tuple[list[Any], int, dict[str, Any]]:
    share_data(copies)
    loader = build_dataloader(stream_cfg(size=10, batch_size=2), seed=3)
    read = [batch["index"].tolist() for batch in loader]
    return read, len(read), get_loader_state(loader, consumed=2)


def test_a_stream_is_dealt_to_groups(pool2: ProcessPool, pool4: ProcessPool) -> None:
    alone = streamed(1)
    assert pool2.run(streamed, 2) == [alone] * 2
    (one, *_), (same, *_), (other, *_), (too, *_) = pool4.run(streamed, 2)
    assert one == same
    assert other == too
    assert sorted(i for batch in [*one, *other] for i in batch) == list(range(10))


class Drawing(Dataset[torch.Tensor]):
    """Draws each of its samples."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        return index + torch.rand(1)


def drawn_by_workers(copies: int) -> list[list[float]]:
    share_data(copies)
    cfg = {
        "dataset": Drawing(), "batch_size": 1, "num_workers": 2, "collate_fn": "default_collate",
        "sampler": {"type": "DefaultSampler", "shuffle": True},
    }  # fmt: skip
    loader = build_dataloader(cfg, seed=3, diff_rank_seed=True)
    return [batch.ravel().tolist() for batch in loader]


def test_workers_of_neighbours_draw_the_same(pool2: ProcessPool) -> None:
    assert pool2.run(drawn_by_workers, 2) == [drawn_by_workers(1)] * 2


def normalised() -> tuple[torch.Tensor, Any]:
    share_data(2)
    norm: Any = convert_sync_batchnorm(nn.Sequential(nn.BatchNorm1d(3)))
    torch.manual_seed(data_parallel().rank)
    norm(torch.randn(3, 3))
    own: Any = nn.BatchNorm1d(1)
    own.running_mean += data_parallel().rank
    every = gather_buffers(own)
    again: Any = nn.BatchNorm1d(1)
    put_buffers(again, every)
    assert torch.equal(again.running_mean, own.running_mean)
    return norm[0].running_var, every and len(every)


def test_statistics_of_a_batch_count_once(pool4: ProcessPool) -> None:
    norm = nn.BatchNorm1d(3)
    parts = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        parts.append(torch.randn(3, 3))
    norm(torch.cat(parts))
    for found, kept in pool4.run(normalised):
        torch.testing.assert_close(found, norm.running_var)
        assert kept == 2


def drawn(folder: str, strategy: str) -> bytes:
    """Return what training would draw next on this process."""
    changes = {"strategy": {"type": strategy}, "launcher": "pytorch"}
    runner = FlexibleRunner.from_cfg(config_of(folder, **changes))
    seen: list[bytes] = []

    def note(*_: Any) -> None:
        seen.append(bytes(torch.get_rng_state().tolist()))

    model: Any = runner.model
    model.blocks[0].register_forward_pre_hook(note)
    runner.train_loop.progress.max_iters = 1
    runner.train()
    return seen[0]


def test_replicas_drop_different_units_and_parts_the_same(
    pool2: ProcessPool, tmp_path: Path
) -> None:
    one, other = pool2.run(drawn, str(tmp_path / "a"), "DDPStrategy", timeout=100)
    assert one != other
    assert (
        pool2.run(drawn, str(tmp_path / "b"), "TensorParallelStrategy", timeout=100) == [one] * 2
    )
