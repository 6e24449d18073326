"""What a configuration asks of its strategy, and what is refused of it before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine_config import Config, values_of
from engine_registry import ConfigCheckError
from engine_runner import FlexibleRunner
from engine_runner.checks.abilities import (
    abilities_asked_for,
    ability_faults,
    strategy_named,
)
from engine_runner.checks.run_config import check_run_config
from tests.runner.toys import run_cfg

SGD = {"type": "SGD", "lr": 0.1}


def updates(**changes: Any) -> dict[str, Any]:
    return {"optim_wrapper": {"type": "OptimWrapper", "optimizer": SGD, **changes}}


@pytest.mark.parametrize(
    ("cfg", "asked"),
    [
        ({}, []),
        (updates(), []),
        (updates(accumulative_counts=1), []),
        (updates(accumulative_counts=2), ["accumulation"]),
        (updates(clip_grad={"max_norm": 1}), ["clip_norm"]),
        (updates(clip_grad={"type": "value", "clip_value": 1}), ["clip_value"]),
        (updates(type="AmpOptimWrapper"), ["fp16"]),
        (updates(type="mmengine.AmpOptimWrapper", dtype="bfloat16"), ["bf16"]),
        (updates(type="AmpOptimWrapper", dtype="float32"), []),
        (updates(optimizer={"type": "Prodigy"}), ["global_step_size"]),
        (updates(optimizer={"type": "schedulefree.SGDScheduleFree"}), ["schedule_free"]),
        (
            {"optim_wrapper": {"constructor": "Own", "a": {"optimizer": {"type": "Muon"}}}},
            ["muon"],
        ),
        ({"compile": False}, []),
        ({"compile": {"backend": "aot_eager"}}, ["compile"]),
        ({"sync_bn": "torch"}, ["sync_batch_norm"]),
        ({"find_unused_parameters": True}, ["find_unused"]),
        ({"model_wrapper_cfg": {"find_unused_parameters": True}}, ["find_unused"]),
        (
            {
                "strategy": {
                    "type": "DDPStrategy",
                    "model_wrapper": {"find_unused_parameters": True},
                }
            },
            ["find_unused"],
        ),
        ({"strategy": {"cpu_offload": True, "sync_bn": "torch"}}, ["sync_batch_norm", "offload"]),
        ({"strategy": {"compile_blocks": {"classes": "Block"}}}, ["compile"]),
        (
            {
                "strategy": {
                    "type": "DeepSpeedStrategy",
                    "gradient_clipping": 1.0,
                    "bf16": {"enabled": True},
                    "config": {"gradient_accumulation_steps": 2},
                    "fp16": {"enabled": False},
                    "zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}},
                }
            },
            ["accumulation", "clip_norm", "bf16", "offload"],
        ),
        ({"strategy": {"type": "DeepSpeedStrategy", "config": "nowhere.json"}}, []),
        ({"strategy": {"tensor_parallel": {"head": "colwise"}}}, ["tensor_parallel"]),
        ({"cpu_offload": True}, []),
        ({"custom_hooks": [{"type": "EMAHook"}]}, ["ema"]),
        ({"default_hooks": {"checkpoint": {"asynchronous": True}}}, ["async_checkpoint"]),
        ({"custom_hooks": ["EMAHook"], "default_hooks": None}, []),
    ],
    ids=str,
)
def test_what_is_asked_for(cfg: dict[str, Any], asked: list[str]) -> None:
    assert [one.ability for one in abilities_asked_for(values_of(Config(cfg)))] == asked


@pytest.mark.parametrize(
    ("cfg", "name"),
    [
        ({}, "SingleDeviceStrategy"),
        ({"launcher": "pytorch"}, "DDPStrategy"),
        (
            {"launcher": "pytorch", "strategy": {"type": "engine_dist.FSDPStrategy"}},
            "FSDPStrategy",
        ),
        ({"launcher": "slurm", "strategy": {}}, "DDPStrategy"),
        ({"strategy": {"type": "DeepSpeedStrategy"}}, "DeepSpeedStrategy(stage=0)"),
        (
            {
                "strategy": {
                    "type": "DeepSpeedStrategy",
                    "config": {"zero_optimization": {"stage": 3}},
                }
            },
            "DeepSpeedStrategy(stage=3)",
        ),
        ({"strategy": {"type": "DeepSpeedStrategy", "config": "nowhere"}}, "DeepSpeedStrategy"),
    ],
    ids=str,
)
def test_by_which_strategy(cfg: dict[str, Any], name: str) -> None:
    assert strategy_named(values_of(Config(cfg))) == name


FILE = """
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(
        type="Prodigy", lr=1.0))
strategy = dict(type="ZeRO1Strategy", device="cpu")
runner_type = "FlexibleRunner"
"""


def test_refused_with_file_and_line(tmp_path: Path) -> None:
    base = Config(run_cfg(tmp_path / "run"))
    base.dump(str(tmp_path / "base.py"))
    text = FILE.replace("optim_wrapper = dict(", "optim_wrapper = dict(_delete_=True,")
    (tmp_path / "cfg.py").write_text(f"_base_ = 'base.py'\n{text}")
    cfg = Config.fromfile(tmp_path / "cfg.py")
    place = f"{tmp_path / 'cfg.py'}:6"
    said = (
        "optim_wrapper.optimizer.type: ZeRO1Strategy cannot train by an optimizer that estimates "
        "one step size for all parameters: "
    )
    for refused in (check_run_config, FlexibleRunner.from_cfg):
        with pytest.raises(ConfigCheckError) as error:
            refused(cfg)
        assert place in str(error.value)
        assert said in str(error.value)
        assert str(error.value).endswith("; DDPStrategy can")
    assert not (tmp_path / "run").exists()  # nothing was built


ENGINE = """
strategy = dict(type="DeepSpeedStrategy", zero_optimization=dict(stage={stage}))
optim_wrapper = dict(
    type="{wrapper}",
    optimizer=dict(
        type="{optimizer}", lr=1.0))
custom_hooks = []
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", interval=1,
        asynchronous={asynchronous}))
"""


@pytest.mark.parametrize(
    ("given", "line", "said"),
    [
        (
            {"wrapper": "AmpOptimWrapper"},
            4,
            "optim_wrapper.type: DeepSpeed's engine accumulates, clips and steps by itself, and "
            "AmpOptimWrapper does so too: write DeepSpeedOptimWrapper",
        ),
        (
            {"stage": 2, "optimizer": "Muon"},
            6,
            "optim_wrapper.optimizer.type: DeepSpeedStrategy(stage=2) cannot train by torch's Muon: its "
            "engine cuts parameters into flat pieces, and it goes by their shape; "
            "DeepSpeedStrategy(stage=0) can",
        ),
        (
            {"asynchronous": "True"},
            10,
            "default_hooks.checkpoint.asynchronous: DeepSpeedStrategy(stage=0) cannot save in the "
            "background: its engine writes its folders itself, while training waits; ",
        ),
    ],
)
def test_what_an_engine_cannot_do(
    tmp_path: Path, given: dict[str, Any], line: int, said: str
) -> None:
    plain = {"wrapper": "DeepSpeedOptimWrapper", "stage": 0, "optimizer": "SGD"}
    file = tmp_path / "cfg.py"
    file.write_text(ENGINE.format(**{**plain, "asynchronous": False, **given}))
    faults = [str(one) for one in ability_faults(*_read(file))]
    assert len(faults) == 1
    assert faults[0].startswith(f"{file}:{line}")
    assert said in faults[0]
    file.write_text(ENGINE.format(**plain, asynchronous=False))
    assert not [*ability_faults(*_read(file))]


def _read(file: Path) -> tuple[Any, str]:
    root = values_of(Config.fromfile(file))
    return root, strategy_named(root)
