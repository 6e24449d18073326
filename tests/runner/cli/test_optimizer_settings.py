"""What stands beside an optimizer is checked as what it is for, before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_config import Config
from engine_registry import ConfigCheckError
from engine_runner.checks.run_config import check_run_config

DIGITS = "examples/digits/config.py"
GAN = "examples/gan/config.py"


def checked(file: str, **changes: object) -> Config:
    cfg = Config.fromfile(Path(__file__).resolve().parents[3] / file)
    cfg.merge_from_dict(changes)
    check_run_config(cfg)
    return cfg


@pytest.mark.parametrize(
    "changes",
    [
        {"optim_wrapper.paramwise_cfg": {"norm_decay_mult": 0.0}},
        {"optim_wrapper.constructor": "DefaultOptimWrapperConstructor"},
        {"optim_wrapper.type": "AmpOptimWrapper", "optim_wrapper.paramwise_cfg": {}},
    ],
)
def test_what_the_constructor_takes(changes: dict[str, object]) -> None:
    cfg = checked(DIGITS, **changes)
    assert all(cfg.get(key) is not None for key in ("optim_wrapper", "model"))
    assert not set(changes) - {f"optim_wrapper.{key}" for key in cfg.optim_wrapper}


def test_several_optimizers() -> None:
    checked(GAN)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"optim_wrapper.generator.optimizer.lrr": 1.0}, "Adam takes no 'lrr'"),
        ({"param_scheduler.generator.0.beginn": 1}, "LinearLR takes no 'beginn'"),
        ({"optim_wrapper.generator.optimizer.type": "Adamm"}, "'Adam'"),
    ],
)
def test_what_is_wrong_of_one_of_several(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigCheckError, match=said):
        checked(GAN, **change)
