"""A model whose parts are trained and wrapped one by one, on two processes, goes on where it was."""

from __future__ import annotations

from pathlib import Path

import torch
from examples.gan import components  # what the configuration names
from scripts.kills.checks import works_differ
from torch import nn

from engine_config import Config
from engine_dist.testing import ProcessPool
from engine_registry import MODELS
from engine_runner import Runner
from tests.runner.exactness import StopAt
from tests.runner.test_resume import Stop

EXAMPLE = Path(__file__).parents[2] / "examples/gan/config.py"


@MODELS.register_module(force=True)
class NormedGAN(components.RingGAN):
    """The example's, with statistics of batches that each process has its own of."""

    def __init__(self, width: int = 8, dropout: float = 0.2) -> None:
        super().__init__(width, dropout)
        self.discriminator.insert(1, nn.BatchNorm1d(width))


def train(folder: str, stop: int, resume: bool = False) -> bool:
    cfg = Config.fromfile(EXAMPLE)
    cfg.merge_from_dict(
        {
            "launcher": "pytorch", "work_dir": f"{folder}/work", "resume": resume,
            "train_cfg": {"max_epochs": 4, "val_interval": 2},
            "train_dataloader": {"batch_size": 8, "dataset": {"size": 64}},
            "default_hooks": {"logger": {"interval": 1}, "checkpoint": {"interval": 1}},
            "custom_hooks": [{"type": "EMAHook", "momentum": 0.1, "update_buffers": True}],
            "model_wrapper_cfg": {"type": "MMSeparateDistributedDataParallel"},
        }
    )  # fmt: skip
    cfg.model = {"type": "NormedGAN"}
    record = {**cfg.to_dict(), "resume": False, "custom_hooks": None}
    hooks = [*cfg.custom_hooks, *([StopAt("after_train_iter", stop)] if stop else [])]
    cfg.custom_hooks = hooks
    given = {
        key: value
        for key, value in cfg.items()
        if key not in ("custom_imports", "model_wrapper_cfg")
    }
    try:
        Runner(**given, cfg=Config({**record, "model_wrapper_cfg": cfg.model_wrapper_cfg})).train()
    except Stop:
        return False
    return True


def test_two_networks_on_two_processes(pool2: ProcessPool, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert pool2.run(train, str(whole), 0, timeout=300) == [True] * 2
    assert pool2.run(train, str(broken), 6, timeout=300) == [False] * 2
    assert pool2.run(train, str(broken), 0, True, timeout=300) == [True] * 2
    assert list(works_differ(broken, whole)) == []
    state = torch.load(whole / "work/epoch_4.pth", weights_only=True)
    # the names of one process' checkpoint, and what each has of its own by them
    assert "discriminator.1.running_mean" in state["state_dict"]
    assert "module.discriminator.1.running_mean" in state["ema_state_dict"]
    for own in (*state["rank_buffers"], *state["ema_rank_buffers"]):
        assert sorted(own) == ["discriminator.1.running_mean", "discriminator.1.running_var"]
