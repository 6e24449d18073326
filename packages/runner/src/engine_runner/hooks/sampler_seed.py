"""Another order of the samples in every epoch."""

from __future__ import annotations

from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.protocol import RunnerLike

__all__ = ["DistSamplerSeedHook"]


@HOOKS.register_module()
class DistSamplerSeedHook(Hook):
    """Tell the sampler, and a batch sampler's own, which epoch begins."""

    priority = "NORMAL"

    def before_train_epoch(self, runner: RunnerLike) -> None:
        """Set the epoch where a sampler can take it."""
        loader = runner.train_loop.dataloader
        batches = getattr(loader, "batch_sampler", None)
        for sampler in (getattr(loader, "sampler", None), getattr(batches, "sampler", None)):
            if sampler is not None and hasattr(sampler, "set_epoch"):
                sampler.set_epoch(runner.train_loop.passes)
                return
