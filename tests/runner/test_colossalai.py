"""Runs by ColossalAI's booster, the library itself: trained, saved, gone on with, used elsewhere."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from engine_dist.strategies import ColossalAIStrategy, SingleDeviceStrategy
from engine_dist.strategies.building_parts import with_type
from engine_dist.testing import ProcessPool
from engine_runner import FlexibleRunner, Runner
from tests.dist.strategies.cpu_for_colossalai import lend_cpu
from tests.runner.test_deepspeed import Ended, _copied, assert_close
from tests.runner.test_deepspeed import train as train_otherwise
from tests.runner.toys import run_cfg

with_library = pytest.mark.skipif(
    find_spec("colossalai") is None,
    reason="ColossalAI is not installed: hatch run colossalai:test",
)


def test_a_configuration_need_not_name_the_wrapper() -> None:
    strategy = ColossalAIStrategy(plugin="lowlevel-zero")
    given = {"optimizer": {"type": "SGD", "lr": 0.1}}
    assert with_type(given, strategy.optim_wrapper_type) == {
        **given,
        "type": "ColossalAIOptimWrapper",
    }
    assert with_type(given, SingleDeviceStrategy().optim_wrapper_type) is given
    named = {"type": "OptimWrapper", **given}
    assert with_type(named, "ColossalAIOptimWrapper") is named
    several = {"first": given, "second": given}
    assert with_type(several, "ColossalAIOptimWrapper") is several
    assert "type" not in given


def train(folder: str, plugin: dict[str, Any], source: str | None = None, **more: Any) -> Ended:
    lend_cpu()
    cfg = run_cfg(
        Path(folder), launcher="pytorch", load_from=source, resume=source is not None,
        strategy={"type": "ColossalAIStrategy", "plugin": plugin, "device": "cpu", **more},
        optim_wrapper={"optimizer": {"type": "AdamW", "lr": 0.05}},
        param_scheduler={"type": "MultiStepLR", "milestones": [3], "gamma": 0.5},
        custom_hooks=[{"type": "EMAHook", "momentum": 0.3}],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1, "max_keep_ckpts": 3}},
    )  # fmt: skip
    cfg["train_dataloader"]["batch_size"] = 3
    runner = FlexibleRunner(**cfg)
    runner.train()
    assert type(runner.optim_wrapper).__name__ == "ColossalAIOptimWrapper"
    (hook,) = (hook for hook in runner.hooks if type(hook).__name__ == "EMAHook")
    averages = hook.ema_model.module.state_dict()  # type: ignore[attr-defined]  # EMAHook's
    return Ended(
        _copied(runner.strategy.model_state_dict(runner.model)), _copied(averages),
        runner.val(), runner.optim_wrapper.get_lr()["lr"], runner.iter,
    )  # fmt: skip


DDP = {"type": "TorchDDPPlugin"}
ZERO = {
    "type": "LowLevelZeroPlugin", "stage": 2, "precision": "fp32", "overlap_communication": False,
}  # fmt: skip


@with_library
@pytest.mark.parametrize("plugin", [DDP, ZERO], ids=["ddp", "zero2"])
@pytest.mark.parametrize("files", [False, True])
def test_a_run_and_its_checkpoints(
    pool2: ProcessPool, tmp_path: Path, plugin: dict[str, Any], files: bool
) -> None:
    train_here = partial(train, plugin_files=files)
    replicated = pool2.run(
        train_otherwise, str(tmp_path / "ddp"), {"type": "DDPStrategy"}, timeout=300
    )[0]
    whole = tmp_path / "whole"
    first, second = pool2.run(train_here, str(whole), plugin, timeout=300)
    assert_close(first, second, 0)
    assert_close(first, replicated, 1e-5)
    kept = sorted(path.name for path in whole.iterdir() if path.suffix == ".pth")
    assert kept == ["epoch_2.pth", "epoch_3.pth", "epoch_4.pth"]
    assert (whole / "epoch_4.pth").is_dir() is files

    source = str(whole / "epoch_2.pth")
    again, _ = pool2.run(train_here, str(tmp_path / "two"), plugin, source, timeout=300)
    assert_close(again, first, 0)

    runner = Runner(**run_cfg(tmp_path / "plain", load_from=str(whole / "epoch_4.pth")))
    assert runner.val() == pytest.approx(first.measured, abs=1e-6)
