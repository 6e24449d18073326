"""The strategies that the suite holds against one device, and how far each may be from it.

To add one: a row, with a function of a `Variation` that makes the strategy on each process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from engine_dist.strategies import (
    ColossalAIStrategy,
    DDPStrategy,
    DeepSpeedStrategy,
    FSDP1Strategy,
    FSDPStrategy,
    SingleDeviceStrategy,
    Strategy,
    TensorParallelStrategy,
    ZeRO1Strategy,
)
from tests.dist.strategies.cpu_for_colossalai import lend_cpu
from tests.dist.strategies.variations import Variation

__all__ = ["ROWS", "Row"]


@dataclass(frozen=True)
class Row:
    """A strategy in the suite.

    Attributes
    ----------
    make : callable
        Makes the strategy for a variation, on each process.
    processes : int
        How many it trains on.
    loss, norm, weights : float
        How far each may be from one device's: losses and norms relatively, weights absolutely; an
        infinite norm is not told.
    bf16 : float
        The same for a loss in bfloat16, relatively.
    continuation : float
        How far weights, losses and norms may be from an unbroken training's after a resumption.
    shards : int, optional
        Processes that the samples of a step are split over; by default all.
    library : str, optional
        Without which it is left out.
    lacks : dict
        Variations that it does not train, with the reason.
    crossed : bool
        Whether it goes on from the checkpoints of others, and they from its; a second setting of
        one strategy need not.
    short : bool
        Whether what is trained by it at every change is little, as of a second setting.
    optimizer : callable, optional
        Makes the optimizer from parameter groups, by default AdamW.
    """

    make: Callable[[Variation], Strategy]
    processes: int = 2
    loss: float = 1e-5
    norm: float = 1e-5
    weights: float = 1e-5
    bf16: float = 2e-2
    continuation: float = 0.0
    shards: int | None = None
    library: str | None = None
    lacks: tuple[tuple[str, str], ...] = ()
    crossed: bool = True
    short: bool = False
    optimizer: Callable[..., Any] | None = None

    @property
    def parts(self) -> int:
        """How many processes have samples of their own."""
        return self.processes if self.shards is None else self.shards

    def why_not(self, variation: str) -> str | None:
        """Return why a variation is left out; None where it is not."""
        if self.library is not None and find_spec(self.library) is None:
            return f"{self.library} is not installed"
        return dict(self.lacks).get(variation)


def single(variation: Variation) -> Strategy:
    """Train on one device."""
    return SingleDeviceStrategy(device="cpu")


def ddp(variation: Variation) -> Strategy:
    """Train replicas."""
    return DDPStrategy(device="cpu")


def ddp_static(variation: Variation) -> Strategy:
    """Train replicas of a graph that is learnt once, gradients kept where they are sent from."""
    return DDPStrategy({"static_graph": True, "gradient_as_bucket_view": True}, device="cpu")


def ddp_unused(variation: Variation) -> Strategy:
    """Train replicas, looking for parameters that take no part."""
    return DDPStrategy({"find_unused_parameters": True}, device="cpu")


def zero1(variation: Variation) -> Strategy:
    """Train replicas, the optimizer's states shared out."""
    return ZeRO1Strategy(device="cpu")


def fsdp(variation: Variation, **settings: Any) -> Strategy:
    """Train shards."""
    if variation.recompute:
        settings["activation_checkpointing"] = {"classes": variation.block}
    if variation.bf16:
        mixed = {"param_dtype": "bfloat16", "reduce_dtype": "float32"}
        settings.setdefault("mixed_precision", mixed)
    return FSDPStrategy(device="cpu", wrap={"classes": variation.block}, **settings)


def fsdp_kept(variation: Variation) -> Strategy:
    """Train shards that stay gathered between forward and backward, on the host."""
    return fsdp(variation, reshard_after_forward=False, cpu_offload=True)


def fsdp_meta(variation: Variation) -> Strategy:
    """Train shards of a model that one process alone has built whole."""
    return fsdp(variation, meta_init=True)


def fsdp_replicas(variation: Variation) -> Strategy:
    """Train two replicas of shards; where in lower precision, by autocast."""
    return fsdp(variation, replicas=2, mixed_precision=None)


def tp(variation: Variation) -> Strategy:
    """Train parts of layers, two processes with the same samples."""
    return TensorParallelStrategy(2, _plan_of(variation), device="cpu")


def fsdp_tp(variation: Variation) -> Strategy:
    """Train shards of parts of layers."""
    return fsdp(variation, tensor_parallel={"size": 2, "plan": _plan_of(variation)})


def _plan_of(variation: Variation) -> dict[str, str] | None:
    """Return a plan for a model that has none of its own."""
    return {"head": "colwise_rep"} if variation.conv else None


def fsdp1(sharding: str) -> Callable[[Variation], Strategy]:
    """Train runs of numbers, by torch's first way of sharding."""

    def make(variation: Variation) -> Strategy:
        recomputed = {"classes": variation.block} if variation.recompute else None
        mixed = {"param_dtype": "bfloat16", "reduce_dtype": "float32"} if variation.bf16 else None
        return FSDP1Strategy(
            device="cpu", wrap={"classes": variation.block}, mixed_precision=mixed,
            model_wrapper={"sharding_strategy": sharding}, activation_checkpointing=recomputed,
        )  # fmt: skip

    return make


def deepspeed(stage: int) -> Row:
    """Train by DeepSpeed's engine, which has a form of checkpoints of its own."""

    def make(variation: Variation) -> Strategy:
        return DeepSpeedStrategy(
            device="cpu",
            zero_optimization={"stage": stage},
            gradient_accumulation_steps=variation.counts,
            gradient_clipping=variation.clip,
            bf16={"enabled": True} if variation.bf16 else None,
        )

    why = "DeepSpeed's engine gives every process the same weight"
    uneven = ("uneven", "uneven-accumulation", "all")
    lacks = tuple((name, why) for name in uneven)
    norm = 1e-5 if stage else float("inf")  # without ZeRO the engine tells none
    return Row(make, norm=norm, library="deepspeed", lacks=lacks, crossed=False, short=stage < 3)


def colossalai(stage: int) -> Row:
    """Train by ColossalAI's booster: replicas, or what a stage of ZeRO shares out."""

    def make(variation: Variation) -> Strategy:
        lend_cpu()
        plugin: dict[str, Any] = {"type": "TorchDDPPlugin"}
        if stage:
            precision = "bf16" if variation.bf16 else "fp32"
            plugin = {"type": "LowLevelZeroPlugin", "stage": stage, "precision": precision}
            plugin["overlap_communication"] = False  # by streams, which a CPU has not
        return ColossalAIStrategy(device="cpu", plugin=plugin)

    own_sync = "TorchDDPPlugin has batch norm over all processes, which torch has for GPUs alone"
    own_bf16 = "TorchDDPPlugin computes in bfloat16 in no released form"
    lacks = () if stage else (("conv", own_sync), ("bf16", own_bf16))
    return Row(make, library="colossalai", lacks=lacks)


ROWS: dict[str, Row] = {
    "single": Row(single, processes=1),
    "ddp": Row(ddp),
    # the first iteration's gradients are averaged by themselves, and so rounded otherwise
    "ddp-static": Row(ddp_static, continuation=1e-6, crossed=False, short=True),
    "ddp-unused": Row(ddp_unused, crossed=False, short=True),
    "zero1": Row(zero1),
    "fsdp": Row(fsdp),
    "fsdp-kept-offload": Row(fsdp_kept, crossed=False, short=True),
    "fsdp-meta": Row(fsdp_meta, short=True),
    "fsdp-2x1": Row(fsdp_replicas, crossed=False, short=True),
    "tp": Row(tp, shards=1),
    "fsdp-tp": Row(fsdp_tp, processes=4, shards=2, short=True),
    "fsdp1": Row(fsdp1("FULL_SHARD")),
    "fsdp1-grad-op": Row(fsdp1("SHARD_GRAD_OP"), crossed=False, short=True),
    "fsdp1-none": Row(fsdp1("NO_SHARD"), crossed=False, short=True),
    **{f"deepspeed-zero{stage}": deepspeed(stage) for stage in range(4)},
    "colossalai-ddp": colossalai(0),
    **{f"colossalai-zero{stage}": colossalai(stage) for stage in (1, 2)},
}
