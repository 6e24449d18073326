"""The same training by hand, on one device and without this package."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tests.dist.strategies.variations import (
    SAMPLES,
    STEPS,
    Batch,
    Variation,
    batch_of,
    build,
    groups_of,
    rate_of,
    split,
)

__all__ = ["Course", "reference"]


@dataclass
class Course:
    """What came of a training.

    Attributes
    ----------
    losses : list of float
        Of each iteration, over all samples.
    norms : list of float
        Of the gradients of each step, before they are clipped.
    weights, averages, buffers : dict
        By name, at the end.
    """

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    averages: dict[str, Tensor] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)


def reference(variation: Variation, parts: int) -> Course:
    """Train; batch norm sees the samples of each part by themselves, as processes do."""
    model, course = build(variation), Course()
    optimizer = torch.optim.AdamW(groups_of(variation, model), lr=1e-3)
    rates = [group["lr"] for group in optimizer.param_groups]
    average = deepcopy(model) if variation.ema else None
    for step in range(STEPS):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (rate_of(step) if variation.schedule else 1.0)
        window = min(variation.counts, STEPS - step // variation.counts * variation.counts)
        course.losses.append(_backward(variation, model, batch_of(variation, step), parts, window))
        if (step + 1) % variation.counts == 0 or step + 1 == STEPS:
            norm = nn.utils.clip_grad_norm_(model.parameters(), variation.clip)
            course.norms.append(float(norm))
            optimizer.step()
            optimizer.zero_grad()
        if average is not None:
            _follow(average, model, first=step == 0)
    course.weights = _values(model)
    course.buffers = dict(model.named_buffers())
    if average is not None:
        course.averages = _values(average)
    return course


def _backward(
    variation: Variation, model: nn.Module, batch: Batch, parts: int, window: int
) -> float:
    """Add the gradients of a batch to those that are there; return its loss."""
    total, kept = 0.0, None
    for part in split(variation, batch, parts) if variation.conv else [batch]:
        with torch.autocast("cpu", torch.bfloat16, enabled=variation.bf16):
            loss = model(**part)["loss"] * len(part["targets"]) / SAMPLES
        (loss / window).backward()
        total += float(loss.detach())
        if kept is None:  # the buffers of a checkpoint are the main process'
            kept = {name: value.clone() for name, value in model.named_buffers()}
    for name, value in model.named_buffers():
        value.copy_((kept or {})[name])
    return total


def _values(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in model.named_parameters()}


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, *, first: bool) -> None:
    for old, new in zip(average.parameters(), model.parameters(), strict=True):
        old.copy_(new if first else old + 0.1 * (new - old))
