"""What a training is varied by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from examples.lm.components import GPT
from torch import Tensor, nn

from engine_dist.flat_parameters import shape_when_whole

__all__ = [
    "VARIATIONS",
    "Batch",
    "Variation",
    "batch_of",
    "build",
    "groups_of",
    "rate_of",
    "split",
]

STEPS = 10
SAMPLES = 8  # of a step, over all processes
Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Variation:
    """One way of training.

    Attributes
    ----------
    conv : bool
        Whether the model is a net of convolutions with batch norm rather than a small GPT.
    clip : float
        The norm that gradients are clipped to; of an infinite one it is only looked at.
    counts : int
        Losses that make a step.
    uneven : bool
        Whether processes have different numbers of samples.
    ema, groups, schedule, frozen, tied, bf16, recompute : bool
        Whether weights are averaged, groups of parameters have settings of their own, the learning
        rate changes, some parameters are not trained, two are one, it is computed in bfloat16, and
        activations are computed anew.
    """

    conv: bool = False
    clip: float = float("inf")
    counts: int = 1
    uneven: bool = False
    ema: bool = False
    groups: bool = False
    schedule: bool = False
    frozen: bool = False
    tied: bool = False
    bf16: bool = False
    recompute: bool = False

    @property
    def block(self) -> str:
        """The class that a model has several of."""
        return "ConvBlock" if self.conv else "Block"


VARIATIONS: dict[str, Variation] = {
    "plain": Variation(),
    "conv": Variation(conv=True),
    "clip": Variation(clip=0.5),
    "accumulation": Variation(counts=4),
    "uneven": Variation(uneven=True),
    "uneven-accumulation": Variation(uneven=True, counts=4, clip=0.5),
    "ema": Variation(ema=True),
    "groups": Variation(groups=True),
    "schedule": Variation(schedule=True),
    "frozen": Variation(frozen=True),
    "tied": Variation(tied=True),
    "bf16": Variation(bf16=True),
    "recompute": Variation(recompute=True),
    "all": Variation(
        clip=0.5, counts=4, uneven=True, ema=True, groups=True, schedule=True, frozen=True,
        tied=True, recompute=True,
    ),
}  # fmt: skip


class ConvBlock(nn.Sequential):
    """A convolution, batch norm and what bends them."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.GELU()
        )


class ConvNet(nn.Module):
    """Two blocks and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([ConvBlock(3, 5), ConvBlock(5, 6)])
        self.head = nn.Linear(6, 4)

    def forward(self, inputs: Tensor, targets: Tensor, mode: str = "loss") -> dict[str, Tensor]:
        """Return the loss."""
        for block in self.blocks:
            inputs = block(inputs)
        logits = self.head(inputs.mean(dim=(2, 3)))
        return {"loss": nn.functional.cross_entropy(logits, targets)}


class TinyGPT(GPT):
    """The example's, with a buffer that is not saved."""

    scales: Tensor

    def __init__(self) -> None:
        super().__init__(vocabulary=31, block_size=8, width=12, depth=2, heads=2)
        scales = 1 + torch.arange(8.0).cos() / 10
        self.register_buffer("scales", scales, persistent=False)

    def forward(self, inputs: Tensor, targets: Tensor, mode: str = "loss") -> Any:  # type: ignore[override]  # a batch names its entries
        """Return the loss, each place of a window with a weight of its own."""
        logits = super().forward(inputs, targets, mode="tensor")
        losses = nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        return {"loss": (losses * self.scales).mean()}


def build(variation: Variation, seed: int = 0) -> nn.Module:
    """Return the model of a variation."""
    torch.manual_seed(seed)
    if variation.conv:
        return ConvNet()
    model = TinyGPT()
    if variation.tied:
        model.head.weight = model.tokens.weight
    if variation.frozen:
        model.positions.requires_grad_(False)
        model.blocks[0].requires_grad_(False)
    return model


def groups_of(variation: Variation, model: nn.Module) -> list[dict[str, object]]:
    """Return the parameter groups of a variation, and their settings."""
    if not variation.groups:
        return [{"params": list(model.parameters())}]
    small = [p for p in model.parameters() if len(shape_when_whole(p)) < 2]
    large = [p for p in model.parameters() if len(shape_when_whole(p)) >= 2]
    return [{"params": large, "weight_decay": 0.1}, {"params": small, "lr": 5e-4}]


def batch_of(variation: Variation, step: int) -> Batch:
    """Return the samples of a step, over all processes."""
    draw = torch.Generator().manual_seed(1000 + step)
    if variation.conv:
        return {
            "inputs": torch.randn(SAMPLES, 3, 6, 6, generator=draw),
            "targets": torch.randint(4, (SAMPLES,), generator=draw),
        }
    tokens = torch.randint(31, (SAMPLES, 9), generator=draw)
    return {"inputs": tokens[:, :-1], "targets": tokens[:, 1:]}


def split(variation: Variation, batch: Batch, parts: int) -> list[Batch]:
    """Return the samples of each process."""
    sizes = [SAMPLES // parts] * parts
    if variation.uneven and parts > 1:
        sizes[0], sizes[-1] = sizes[0] + 1, sizes[-1] - 1
    cut = {name: torch.split(value, sizes) for name, value in batch.items()}
    return [{name: values[part] for name, values in cut.items()} for part in range(parts)]


def rate_of(step: int) -> float:
    """Return the factor of the learning rate at a step, with a schedule."""
    return min(1.0, 0.2 + 0.8 * step / 5)
