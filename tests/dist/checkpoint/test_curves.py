"""The curve that MMEngine's schedule of one cycle holds: a name, and nothing that is called."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from engine_dist.checkpoint import load_checkpoint_file
from tests.dist.checkpoint.corpus import FRAMES, text
from tests.dist.checkpoint.test_claims import refused

CYCLE = b"cmmengine.optim.scheduler.param_scheduler\nOneCycleParamScheduler\n"


def pickled(name: str) -> bytes:
    return b"}" + text("curve") + b"cbuiltins\ngetattr\n(" + CYCLE + text(name) + b"tRs."


@pytest.mark.parametrize("frame", ["zip", "old"])
@pytest.mark.parametrize("name", ["_annealing_cos", "_annealing_linear"])
def test_a_curve_is_a_name(tmp_path: Path, frame: str, name: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(FRAMES[frame](pickled(name)))
    assert load_checkpoint_file(str(path)) == {"curve": name}


@pytest.mark.parametrize("name", ["__init__", "mean", "_annealing_cos.__globals__", ""])
def test_other_names_of_it_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(FRAMES["zip"](pickled(name)))
    refused(path, "getattr")


def test_the_class_is_not_called(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(FRAMES["zip"](CYCLE + b")R."))
    refused(path, "named here but not called")


def test_a_count_beside_an_array_is_a_count(tmp_path: Path) -> None:
    # the array stands as a record in the file, for which all of it is walked
    path = tmp_path / "a.pth"
    torch.save({"milestones": Counter({2: 1, 4: 2}), "history": np.ones(2)}, path)
    assert load_checkpoint_file(str(path))["milestones"] == Counter({2: 1, 4: 2})
