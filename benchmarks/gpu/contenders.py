"""The loop written by hand, and the engine's run, of one model each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from benchmarks.gpu.gpt import CLIP, OPTIMIZER, Size, loader_cfg
from benchmarks.gpu.setting import Setting
from engine_dataset import build_dataloader
from engine_runner import Runner
from engine_runner.hooks import Hook
from engine_runner.model import BaseDataPreprocessor

__all__ = ["LOG_INTERVAL", "Bare", "make_runner"]

LOG_INTERVAL = 10
Autocast = Callable[[], AbstractContextManager[Any]]


def _autocast(device: torch.device, used: bool) -> Autocast:
    if not used:
        return nullcontext
    return lambda: torch.autocast(device.type, dtype=torch.bfloat16)


class Bare:
    """Forward, backward, clipping, step and zeroing, as one writes them.

    Parameters
    ----------
    model : nn.Module
        On its device.
    autocast : bool
        Whether its forward pass runs in bfloat16 by autocast.
    """

    def __init__(self, model: nn.Module, size: Size, *, autocast: bool = True) -> None:
        self.model = model.train()
        self.device = next(model.parameters()).device
        fused = self.device.type == "cuda"
        self.optimizer = torch.optim.AdamW(model.parameters(), **OPTIMIZER, fused=fused)
        self._autocast = _autocast(self.device, autocast)
        self._batches = iter(build_dataloader(loader_cfg(size, pinned=fused), seed=0))
        self.loss = float("nan")

    def run(self, steps: int, *, log: bool = True) -> None:
        """Make so many steps; the loss of the last is read where there is a log."""
        for _ in range(steps):
            loss = self.step()
        if log:
            self.loss = loss.item()

    def step(self) -> torch.Tensor:
        """Train on the next batch and return the loss, unread."""
        batch = {
            name: value.to(self.device, non_blocking=True)
            for name, value in next(self._batches).items()
        }
        with self._autocast():
            loss: torch.Tensor = self.model(**batch, mode="loss")["loss"]
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss


def make_runner(
    model: nn.Module,
    size: Size,
    setting: Setting,
    hook: Hook,
    *,
    autocast: bool = True,
    compiler: str | None = None,
) -> Runner:
    """Return a run of the engine, with its default hooks but for checkpoints, and one more."""
    cuda = setting.device == "cuda"
    wrapper = {"type": "AmpOptimWrapper", "dtype": "bfloat16"} if autocast else {}
    # batches come in pinned memory, which need not be waited for
    model.data_preprocessor = BaseDataPreprocessor(non_blocking=cuda)
    return Runner(
        model=model,
        work_dir=str(setting.folder / "run"),
        train_dataloader=loader_cfg(size, pinned=cuda),
        train_cfg={"by_epoch": False, "max_iters": 10**6},
        optim_wrapper={
            **wrapper,
            "optimizer": {"type": "AdamW", **OPTIMIZER, "fused": cuda},
            "clip_grad": {"max_norm": CLIP},
        },
        default_hooks={
            "checkpoint": None,
            "logger": {"type": "LoggerHook", "interval": LOG_INTERVAL},
        },
        custom_hooks=[hook],
        randomness={"seed": 0},
        log_level="ERROR",
        cfg={"compile": compiler is not None and {"backend": compiler}},
    )
