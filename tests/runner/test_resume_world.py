"""A run that goes on with more processes, or fewer, than it was saved on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_dist.testing import ProcessPool
from engine_runner import Runner
from engine_runner.logging import MMLogger
from tests.runner.test_resume import Stop, StopAt, every_iteration
from tests.runner.toys import SIZE, run_cfg

Ended = tuple[list[list[int]], Tensor, list[float], str]
EPOCHS = 3


def go(folder: str, batch_size: int, stop: int, changes: dict[str, Any]) -> Ended:
    """Run, or go on, to a stop, 0 for the end: samples by step, weights, rates, what was said."""
    cfg = run_cfg(
        Path(folder),
        train_cfg={"max_epochs": EPOCHS},
        default_hooks=every_iteration(),
        custom_hooks=[StopAt(stop)] if stop else [],
        **{"log_level": "WARNING", **changes},
    )
    cfg["train_dataloader"]["batch_size"] = batch_size
    runner = Runner(**cfg)
    try:
        runner.train()
    except Stop:
        assert stop
    model: Any = getattr(runner.model, "module", runner.model)
    rates = [float(rate) for rate in runner.message_hub.get_scalar("train/lr").data[0]]
    assert isinstance(runner.logger, MMLogger)
    file = runner.logger.log_file
    said = Path(file).read_text() if file and Path(file).is_file() else ""
    return model.seen, model.linear.weight.detach().clone(), rates, said


SEVERAL = {"launcher": "pytorch"}


def on(
    pool2: ProcessPool, ranks: int, folder: str, batch_size: int, stop: int, **changes: Any
) -> list[Ended]:
    if ranks == 1:
        return [go(folder, batch_size, stop, changes)]
    several = {**changes, **SEVERAL}
    return list(pool2.run(go, folder, batch_size, stop, several, timeout=300))


@pytest.mark.parametrize(
    ("before", "after", "batch_size", "stop"),
    [(2, 1, 3, 1), (2, 1, 3, 3), (2, 1, 2, 2), (1, 2, 2, 3), (1, 2, 2, 1), (1, 2, 3, 6)],
)
def test_what_is_left_of_the_epoch_is_seen_once(
    pool2: ProcessPool, tmp_path: Path, before: int, after: int, batch_size: int, stop: int
) -> None:
    folder = str(tmp_path)
    first = on(pool2, before, folder, batch_size, stop)
    rest = on(pool2, after, folder, batch_size, 0, resume=True)
    steps = [*_together(first), *_together(rest)]
    samples = [sample for step in steps for sample in step]
    assert len(samples) == EPOCHS * SIZE
    for start in range(0, len(samples), SIZE):
        assert sorted(samples[start : start + SIZE]) == list(range(SIZE))
    was, now = before * batch_size, after * batch_size
    (said,) = [line for line in rest[0][3].splitlines() if "learning rate is kept" in line]
    assert f"made of {was} samples in all, on {before} processes" in said
    assert f"made of {now}, on {after}." in said
    assert "auto_scale_lr=dict(enable=True" in said


def _together(ranks: list[Ended]) -> list[list[int]]:
    steps = zip(*(seen for seen, *_ in ranks), strict=True)
    return [[sample for own in step for sample in own] for step in steps]


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_with_as_many_samples_a_step_it_goes_on_alike(
    pool2: ProcessPool, tmp_path: Path, before: int, after: int
) -> None:
    whole = go(str(tmp_path / "whole"), 6, 0, {})
    folder = str(tmp_path / "broken")
    on(pool2, before, folder, 6 // before, 3)
    rest = on(pool2, after, folder, 6 // after, 0, resume=True)
    torch.testing.assert_close(rest[0][1], whole[1], rtol=0, atol=1e-6)
    assert rest[0][2] == pytest.approx(whole[2])
    assert "learning rate" not in rest[0][3]


@pytest.mark.parametrize(
    "schedule",
    [
        {"type": "ExponentialLR", "gamma": 0.9},
        [{"type": "LinearLR", "end": 2, "start_factor": 0.5}, {"type": "CosineAnnealingLR"}],
        {
            "type": "CosineRestartLR",
            "periods": [2, 2],
            "restart_weights": [1, 0.5],
            "eta_min": 0.0,
        },
        {"type": "OneCycleLR", "eta_max": 0.2, "total_steps": 5},
    ],
    ids=["factor", "factors", "restarts", "cycle"],
)
def test_the_learning_rate_follows_where_it_is_to(
    pool2: ProcessPool, tmp_path: Path, schedule: Any
) -> None:
    scale = {
        "auto_scale_lr": {"enable": True, "base_batch_size": 6}, "param_scheduler": schedule
    }  # fmt: skip
    one = go(str(tmp_path / "one"), 3, 0, scale)
    folder = str(tmp_path / "broken")
    two = on(pool2, 2, folder, 3, 2, **scale)  # one epoch, of 6 samples a step
    rest = go(folder, 3, 0, {**scale, "resume": True})
    # of 3 samples a step the rates are half as high, and the schedule goes on from there; one
    # cycle has rates of its own, which no batch changes
    ratio = 1 if isinstance(schedule, dict) and schedule["type"] == "OneCycleLR" else 2
    assert two[0][2][0] == pytest.approx(ratio * one[2][0])
    assert rest[2][2:] == pytest.approx(one[2][4:])
    (said,) = [line for line in rest[3].splitlines() if "learning rate is scaled" in line]
    assert "scaled by 0.5, as auto_scale_lr says: a step was made of 6 samples" in said
    assert "overrides settings of the optimizer" not in rest[3]
