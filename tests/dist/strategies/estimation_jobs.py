"""What the ranks do in the tests of what a step holds and sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from benchmarks.allocator import allocated
from examples.lm.components import GPT

from engine_dist.estimation import Job, Observation, estimate, observe, zero_by_arithmetic
from engine_dist.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    Strategy,
    TensorParallelStrategy,
    ZeRO1Strategy,
)
from engine_optim import DeepSpeedOptimWrapper, OptimWrapper

_BLOCKS = {"classes": ["Block"]}


def _deepspeed(stage: int, **settings: Any) -> DeepSpeedStrategy:
    # its own buffers are of 2 GB, whatever the model
    section = {"stage": stage, "reduce_bucket_size": 20_000}
    return DeepSpeedStrategy(zero_optimization=section, **settings)


STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    "ddp": DDPStrategy,
    "zero1": ZeRO1Strategy,
    "fsdp": partial(FSDPStrategy, wrap=_BLOCKS),
    "fsdp-bf16": partial(FSDPStrategy, wrap=_BLOCKS, mixed_precision={"param_dtype": "bfloat16"}),
    "fsdp-recomputed": partial(FSDPStrategy, wrap=_BLOCKS, activation_checkpointing=_BLOCKS),
    "tp": partial(TensorParallelStrategy, 2),
    "deepspeed-1": partial(_deepspeed, 1),
    "deepspeed-2": partial(_deepspeed, 2),
    "deepspeed-3": partial(_deepspeed, 3),
    "deepspeed-2-bf16": partial(_deepspeed, 2, bf16={"enabled": True}),
}


def job(name: str, batches: int = 1) -> Job:
    """Return what is trained."""
    tokens = torch.zeros(2, 32, dtype=torch.long)
    settings: dict[str, Any] = {"clip_grad": {"max_norm": 1.0}, "accumulative_counts": batches}
    wrap: Any = partial(OptimWrapper, **settings)
    if name.startswith("deepspeed"):
        wrap = DeepSpeedOptimWrapper
    return Job(
        partial(GPT, block_size=32, width=64, depth=2, heads=2),
        lambda model: wrap(torch.optim.AdamW(model.parameters())),
        {"inputs": tokens, "targets": tokens},
        batches,
    )


def observed(name: str, world_size: int, batches: int = 1) -> Observation:
    """Return what this rank's second step held and sent."""
    strategy = STRATEGIES[name]()
    strategy.setup_environment()
    return observe(strategy, job(name, batches), world_size)


def estimated(name: str, world_size: int, batches: int = 1) -> Observation:
    """Return the same without a job."""
    strategy = STRATEGIES[name]()
    if isinstance(strategy, DeepSpeedStrategy):
        return zero_by_arithmetic(strategy, job(name), world_size)
    return estimate(strategy, job(name, batches), world_size)


def peak_of_the_allocator(name: str) -> int:
    """Return the most that torch's own allocator has given out at the second step."""
    strategy, given = STRATEGIES[name](), job(name)
    with allocated() as found:
        placed = strategy.prepare(given.build(), given.make_optimizer)
        trained: Any = placed.model
        trained.train_step(given.batch, placed.optimizer)
        found.mark()
        trained.train_step(given.batch, placed.optimizer)
    return found.peak
