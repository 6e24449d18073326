"""One run on two processes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine_dist.testing import ProcessPool
from engine_dist.wrappers import MMDistributedDataParallel
from engine_runner import Runner
from tests.runner.toys import SIZE, run_cfg, stream_cfg


def train(folder: str) -> tuple[list[list[int]], Tensor, float]:
    # an epoch of 12 samples is two batches of 3 a process
    cfg = run_cfg(Path(folder), launcher="pytorch")
    cfg["train_dataloader"]["batch_size"] = 3
    runner = Runner(**cfg)
    runner.train()
    assert isinstance(runner.model, MMDistributedDataParallel)
    inner = runner.model.module
    return inner.seen, inner.linear.weight.detach().clone(), runner.val()["error"]


def test_two_processes_end_equal_and_share_the_samples(pool2: ProcessPool, tmp_path: Path) -> None:
    (seen0, weight0, error0), (seen1, weight1, error1) = pool2.run(
        train, str(tmp_path), timeout=300
    )
    assert torch.equal(weight0, weight1)
    assert error0 == error1
    assert len(seen0) == len(seen1) == 8
    for epoch in range(4):
        part = slice(2 * epoch, 2 * epoch + 2)
        samples = [i for seen in (seen0, seen1) for batch in seen[part] for i in batch]
        assert sorted(samples) == list(range(SIZE))


def test_each_row_is_written_once(pool2: ProcessPool, tmp_path: Path) -> None:
    pool2.run(train, str(tmp_path), timeout=300)
    (file,) = tmp_path.glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 9))
    assert [row["step"] for row in rows if "error" in row] == [1, 2, 3, 4, 4]  # and once by hand


def test_the_same_global_batches_on_one_process(pool2: ProcessPool, tmp_path: Path) -> None:
    (_, weight, error), _ = pool2.run(train, str(tmp_path / "two"), timeout=300)
    cfg = run_cfg(tmp_path / "one")
    cfg["train_dataloader"]["batch_size"] = 6
    runner = Runner(**cfg)
    runner.train()
    alone = runner.model.linear.weight  # type: ignore[union-attr]  # the toy's own layer
    torch.testing.assert_close(alone, weight, rtol=0, atol=1e-6)
    assert runner.val()["error"] == pytest.approx(error, abs=1e-6)


def train_on_a_stream(folder: str, resume: bool) -> list[list[int]]:
    # of 7 samples the last can only be one process's
    changes = {"train_dataloader": stream_cfg(size=7, batch_size=2, num_workers=1)}
    cfg = run_cfg(Path(folder), **changes, launcher="pytorch", resume=resume)
    cfg["train_cfg"] = {"max_iters": 8 if resume else 3}
    runner = Runner(**cfg)
    runner.train()
    return runner.model.module.seen  # type: ignore[return-value, union-attr]  # the toy's own


def test_two_processes_train_on_a_stream(pool2: ProcessPool, tmp_path: Path) -> None:
    seen = pool2.run(train_on_a_stream, str(tmp_path), False, timeout=300)
    assert seen == [[[0, 2], [4], [0, 2]], [[1, 3], [5], [1, 3]]]
    seen = pool2.run(train_on_a_stream, str(tmp_path), True, timeout=300)
    assert seen == [[[4], [0, 2], [4], [0, 2], [4]], [[5], [1, 3], [5], [1, 3], [5]]]


def resume_with_other_data(folder: str) -> int:
    runner = Runner(**run_cfg(Path(folder), launcher="pytorch", resume=True))
    runner.train()
    return runner.iter


def test_going_on_with_two_processes_from_one(pool2: ProcessPool, tmp_path: Path) -> None:
    Runner(**run_cfg(tmp_path, train_cfg={"max_epochs": 2})).train()
    # two epochs of 3 iterations alone, then two of 2 iterations on two processes
    assert pool2.run(resume_with_other_data, str(tmp_path), timeout=300) == [10, 10]


def test_one_folder_for_one_run(pool2: ProcessPool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pool2.run(train, folder, timeout=300)
        (log,) = Path(folder).glob("*/*.log")
        assert log.with_suffix("").name == log.parent.name
        assert len(list(Path(folder).glob("epoch_*.pth"))) == 4
        (scalars,) = Path(folder).glob("*/vis_data/scalars.json")
        rows = [json.loads(line) for line in scalars.read_text().splitlines()]
        # the main process' rows alone
        assert [row["step"] for row in rows if "loss" in row] == list(range(1, 9))
