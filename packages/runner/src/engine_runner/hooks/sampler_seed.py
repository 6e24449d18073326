"""Another order of the samples in every epoch."""

from __future__ import annotations

from typing import Any

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.protocols import RunnerT

__all__ = ["DistSamplerSeedHook", "set_sampler_epoch"]


@HOOKS.register_module()
class DistSamplerSeedHook(Hook[RunnerT]):
    """Tell the sampler, and a batch sampler's own, which epoch begins."""

    priority = "NORMAL"

    def before_train_epoch(self, runner: RunnerT) -> None:
        """Set the epoch where a sampler can take it."""
        loop = runner.train_loop
        set_sampler_epoch(loop.dataloader, getattr(loop, "passes", loop.epoch))


def set_sampler_epoch(loader: Any, epoch: int) -> None:
    """Tell a loader's sampler, or its batch sampler's own, which pass begins."""
    batches = getattr(loader, "batch_sampler", None)
    for sampler in (getattr(loader, "sampler", None), getattr(batches, "sampler", None)):
        if sampler is not None and hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)
            return
