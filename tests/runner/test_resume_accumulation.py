"""A run that was saved with a step half gathered makes the same step when it goes on."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_dist.testing import ProcessPool
from engine_runner import Runner
from engine_runner.logging import MMLogger
from tests.runner.test_resume import Stop, StopAt, same
from tests.runner.toys import run_cfg

AMP = {"type": "AmpOptimWrapper", "dtype": "float16", "loss_scale": 128.0}


def a_run(folder: Path, *, counts: int = 2, **changes: Any) -> Runner:
    wrapper = changes.pop("wrapper", {"type": "OptimWrapper"})
    changes.setdefault("default_hooks", {"checkpoint": {"type": "CheckpointHook", "interval": 1}})
    return Runner(
        **run_cfg(
            folder,
            optim_wrapper={
                **wrapper,
                "accumulative_counts": counts,
                "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9},
            },
            **changes,
        )
    )


@pytest.mark.parametrize("wrapper", [{"type": "OptimWrapper"}, AMP], ids=["plain", "scaled"])
@pytest.mark.parametrize("stop", [4, 5, 8])
def test_over_the_end_of_an_epoch(tmp_path: Path, wrapper: dict[str, Any], stop: int) -> None:
    # an epoch has three iterations: its checkpoint falls in the middle of an accumulation
    unbroken = a_run(tmp_path / "whole", wrapper=wrapper)
    unbroken.train()
    with pytest.raises(Stop):
        a_run(tmp_path / "broken", wrapper=wrapper, custom_hooks=[StopAt(stop)]).train()
    resumed = a_run(tmp_path / "broken", wrapper=wrapper, resume=True)
    resumed.train()
    assert same(resumed.model, unbroken.model)


def test_only_what_is_half_gathered_is_kept(tmp_path: Path) -> None:
    a_run(tmp_path).train()
    half = torch.load(tmp_path / "epoch_1.pth", weights_only=True)["accumulation"]
    assert (half["counts"], half["inner"]) == (2, 3)
    assert [tuple(grad.shape) for grad in half["grads"].values()] == [(1, 2), (1,)]
    whole = torch.load(tmp_path / "epoch_2.pth", weights_only=True)["accumulation"]
    assert whole == {"counts": 2, "inner": 6}
    a_run(tmp_path / "single", counts=1).train()
    assert "accumulation" not in torch.load(tmp_path / "single/epoch_1.pth", weights_only=True)


def test_another_count_loses_what_was_gathered_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        a_run(tmp_path, custom_hooks=[StopAt(4)]).train()
    resumed = a_run(tmp_path, counts=3, resume=True, log_level="WARNING")
    resumed.train()
    assert isinstance(resumed.logger, MMLogger)
    log = Path(resumed.logger.log_file).read_text()  # type: ignore[arg-type]  # the main process writes one
    assert "incomplete accumulation are lost: accumulative_counts was 2 and is 3" in log


def two(folder: str, stop: int, resume: bool) -> list[Tensor]:
    hook = {"type": "CheckpointHook", "interval": 1, "by_epoch": False}
    runner = a_run(
        Path(folder),
        launcher="pytorch",
        counts=3,
        train_cfg={"max_iters": 9, "val_interval": 9},
        default_hooks={"checkpoint": hook},
        custom_hooks=[StopAt(stop)] if stop else [],
        resume=resume,
    )
    with contextlib.suppress(Stop):
        runner.train()
    return [p.detach().clone() for p in runner.model.parameters()]


def test_on_two_processes(pool2: ProcessPool, tmp_path: Path) -> None:
    whole, other = pool2.run(two, str(tmp_path / "whole"), 0, False, timeout=300)
    assert all(torch.equal(a, b) for a, b in zip(whole, other, strict=True))
    for stop in (4, 5):
        folder = str(tmp_path / str(stop))
        pool2.run(two, folder, stop, False, timeout=300)
        resumed, _ = pool2.run(two, folder, 0, True, timeout=300)
        assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
