"""Runs with DeepSpeed's engine: trained, saved, gone on with, used elsewhere."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_dist.testing import ProcessPool
from engine_runner import FlexibleRunner, Runner
from engine_runner.process.preempted import Preempted
from tests.runner.preempted import Signals
from tests.runner.test_faults import Warned
from tests.runner.test_resume import Stop, StopAt
from tests.runner.toys import run_cfg

pytestmark = pytest.mark.skipif(
    find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
)


@dataclass
class Ended:
    """What came of a run: weights, averages, measurements, rates, how far it is."""

    weights: dict[str, Tensor]
    averages: dict[str, Tensor]
    measured: dict[str, float]
    rates: list[float]
    iter: int


def train(
    folder: str, strategy: dict[str, Any], size: int = 3, source: str | None = None
) -> Ended:
    wrapper = {"optimizer": {"type": "AdamW", "lr": 0.05}}
    if strategy["type"] == "DeepSpeedStrategy":
        wrapper["type"] = "DeepSpeedOptimWrapper"  # type: ignore[assignment]  # a dict of all
    cfg = run_cfg(
        Path(folder), launcher="pytorch", strategy=strategy, optim_wrapper=wrapper,
        param_scheduler={"type": "MultiStepLR", "milestones": [3], "gamma": 0.5},
        custom_hooks=[{"type": "EMAHook", "momentum": 0.3}], load_from=source,
        resume=source is not None,
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1, "max_keep_ckpts": 3}},
    )  # fmt: skip
    cfg["train_dataloader"]["batch_size"] = size
    runner = FlexibleRunner(**cfg)
    runner.train()
    (hook,) = (hook for hook in runner.hooks if type(hook).__name__ == "EMAHook")
    averages = hook.ema_model.module.state_dict()  # type: ignore[attr-defined]  # EMAHook's
    return Ended(
        _copied(runner.strategy.model_state_dict(runner.model)), _copied(averages),
        runner.val(), runner.optim_wrapper.get_lr()["lr"], runner.iter,
    )  # fmt: skip


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


def engine(stage: int, **more: Any) -> dict[str, Any]:
    return {"type": "DeepSpeedStrategy", "zero_optimization": {"stage": stage}, **more}


def assert_close(own: Ended, other: Ended, bound: float) -> None:
    assert own.iter == other.iter
    assert own.rates == other.rates
    assert own.measured == pytest.approx(other.measured, abs=bound)
    for name in other.weights:
        torch.testing.assert_close(own.weights[name], other.weights[name], rtol=0, atol=bound)
        torch.testing.assert_close(own.averages[name], other.averages[name], rtol=0, atol=bound)


@pytest.fixture(scope="module")
def replicated(pool2: ProcessPool, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = str(tmp_path_factory.mktemp("replicated"))
    return pool2.run(train, folder, {"type": "DDPStrategy"}, timeout=300)[0]


@pytest.mark.parametrize("stage", [1, 3])
def test_a_run_and_its_checkpoints(
    pool2: ProcessPool, pool1: ProcessPool, tmp_path: Path, replicated: Ended, stage: int
) -> None:
    whole = tmp_path / "whole"
    first, second = pool2.run(train, str(whole), engine(stage), timeout=300)
    assert_close(first, second, 0)
    assert_close(first, replicated, 1e-5)
    kept = sorted(path.name for path in whole.iterdir() if path.suffix == ".pth")
    assert kept == ["epoch_2.pth", "epoch_3.pth", "epoch_4.pth"]
    assert (whole / "last_checkpoint").read_text().endswith("epoch_4.pth")

    source = str(whole / "epoch_2.pth")
    again, _ = pool2.run(train, str(tmp_path / "two"), engine(stage), 3, source, timeout=300)
    assert_close(again, first, 0)
    alone = pool1.run(train, str(tmp_path / "one"), engine(stage), 6, source, timeout=300)[0]
    assert_close(alone, first, 1e-5)

    runner = Runner(**run_cfg(tmp_path / "plain", load_from=str(whole / "epoch_4.pth")))
    assert runner.val() == pytest.approx(first.measured, abs=1e-6)


def say(folder: str) -> str:
    cfg = run_cfg(Path(folder), launcher="pytorch", strategy=engine(1))
    try:
        FlexibleRunner(**cfg).train()
    except TypeError as error:
        return str(error)
    return ""


def test_another_wrapper_is_refused(pool2: ProcessPool, tmp_path: Path) -> None:
    for said in pool2.run(say, str(tmp_path), timeout=300):
        assert "give optim_wrapper type='DeepSpeedOptimWrapper'" in said


def in_fours(
    folder: str, told: int = 0, every: int = 4, resume: bool = False
) -> tuple[str, int, dict[str, Tensor], list[str]]:
    """Train with steps of four losses; return how it ended, where, the weights, what was warned of."""
    cfg = run_cfg(
        Path(folder), launcher="pytorch", strategy=engine(1, gradient_accumulation_steps=4),
        optim_wrapper={"type": "DeepSpeedOptimWrapper", "optimizer": {"type": "AdamW", "lr": 0.05}},
        train_cfg={"max_iters": 12, "val_interval": 12}, log_level="WARNING", resume=resume, param_scheduler=None,
        custom_hooks=[Signals("train", told, rank=1), StopAt(7 if every == 6 and not resume else 0)],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": every, "by_epoch": False}},
    )  # fmt: skip
    warned = Warned()
    logging.getLogger("engine.optim").addHandler(warned)
    runner = FlexibleRunner(**cfg)
    ended = "ended"
    try:
        runner.train()
    except Preempted as stop:
        ended = f"{stop.name} {stop.code} {stop.saved}"
    except Stop:
        ended = "broken off"
    finally:
        logging.getLogger("engine.optim").removeHandler(warned)
    state = runner.strategy.model_state_dict(runner.model)
    return ended, runner.iter, _copied(state), warned.said


def test_a_signal_within_a_step_of_several_losses_finishes_it(
    pool2: ProcessPool, tmp_path: Path
) -> None:
    whole, _ = pool2.run(in_fours, str(tmp_path / "whole"), timeout=300)
    folder = str(tmp_path / "broken")
    for ended, done, _, _ in pool2.run(in_fours, folder, 6, 50, timeout=300):
        assert ended == "SIGTERM 75 True"
        assert done in (8, 12)  # which depends on when the other rank hears of it
    resumed, _ = pool2.run(in_fours, folder, 0, 50, True, timeout=300)
    assert resumed[3] == []
    for name, value in whole[2].items():
        assert torch.equal(resumed[2][name], value)


def test_a_checkpoint_within_a_step_tells_what_is_lost(pool2: ProcessPool, tmp_path: Path) -> None:
    folder = str(tmp_path)
    pool2.run(in_fours, folder, 0, 6, timeout=300)
    _, done, _, warned = pool2.run(in_fours, folder, 0, 6, True, timeout=300)[0]
    assert done == 12
    (said,) = warned
    assert said == (
        "the gradients of an incomplete accumulation are lost, as DeepSpeed saves none: at iteration "
        "6, 2 of its 4 losses are done, and the step is made of the others"
    )
