"""Ranks that are about to do different things are refused at start, with what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine_dist import RankMismatchError, get_rank
from engine_dist.testing import ProcessPool
from engine_runner import Runner
from tests.runner.toys import ToyData, ToyModel, loader, run_cfg


def start(folder: str, what: str) -> str:
    other = get_rank() == 1
    cfg: dict[str, Any] = run_cfg(Path(folder), launcher="pytorch")
    version = np.__version__
    if what == "versions" and other:
        vars(np)["__version__"] = "0.1"
    if what == "configuration" and other:
        cfg["optim_wrapper"]["optimizer"]["lr"] = 0.2
        cfg["val_cfg"] = {"fp16": True}
    if what == "parameters":
        cfg["model"] = ToyModel(width=1 + other)
    if what == "data":
        cfg["train_dataloader"]["dataset"] = ToyData(size=12 + 4 * other)
    if what == "batches":
        cfg["train_dataloader"] = loader(batch_size=4 - other)
    if what == "paths" and other:
        cfg["work_dir"] += "/another"
    try:
        Runner(**cfg).train()
    except RankMismatchError as error:
        return str(error)
    finally:
        vars(np)["__version__"] = version
    return "trained"


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (
            "configuration",
            "  configuration: val_cfg: {} on rank 0, not there on rank 1\n"
            "  configuration: optim_wrapper.optimizer.lr: 0.1 on rank 0, 0.2 on rank 1\n"
            "  configuration: val_cfg.fp16: not there on rank 0, True on rank 1",
        ),
        ("versions", f"  versions: numpy: {np.__version__} on rank 0, 0.1 on rank 1"),
        (
            "parameters",
            "  parameters: linear.weight: [1, 2] torch.float32 on rank 0, [2, 2] torch.float32 on "
            "rank 1\n  parameters: linear.bias: [1] torch.float32 on rank 0, [2] torch.float32 on "
            "rank 1",
        ),
        ("data", "  data: samples of the train data set: 12 on rank 0, 16 on rank 1"),
        ("batches", "  data: batches of an epoch (train): 3 on rank 0, 4 on rank 1"),
    ],
)
def test_they_are_told_on_both_ranks(
    pool2: ProcessPool, tmp_path: Path, what: str, told: str
) -> None:
    first, second = pool2.run(start, str(tmp_path), what)
    assert first == second
    head, _, lines = first.partition(":\n")
    assert head.startswith("the ranks of this job differ; ")
    assert sorted(lines.splitlines()) == sorted(told.splitlines())


def test_paths_may_be_a_nodes_own(pool2: ProcessPool, tmp_path: Path) -> None:
    assert pool2.run(start, str(tmp_path), "paths") == ["trained"] * 2
