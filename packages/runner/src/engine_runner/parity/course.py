"""What came of a training, and how far it is from another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Bounds", "Course", "Gaps", "Spot", "gaps"]


@dataclass
class Course:
    """What came of a training.

    Attributes
    ----------
    losses : list of dict
        Of each iteration by name, over all samples.
    norms : list of float
        Of all gradients together before they are clipped, of each step.
    samples : list of int
        What tells the samples from others, in no order.
    silenced : list of str
        Layers that drew random numbers, and were not let.
    draws : bool
        Whether the model drew random numbers all the same.
    batch_norm : list of str
        Layers that normalise by the samples of their own process.
    share : tuple of int
        Which share of the samples was trained on, of how many.
    of_parts : dict
        By loss, on the first samples and first weights: on all together, and the mean of those on
        the parts; empty where that cannot be told.
    """

    losses: list[dict[str, float]] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    silenced: list[str] = field(default_factory=list)
    draws: bool = False
    batch_norm: list[str] = field(default_factory=list)
    share: tuple[int, int] = (0, 1)
    of_parts: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Bounds:
    """How far a training may be from one device's.

    Attributes
    ----------
    loss, norm : float
        Of losses and gradient norms, relatively.
    weights : float
        Of weights and buffers, absolutely.
    """

    loss: float = 1e-5
    norm: float = 1e-5
    weights: float = 1e-5


@dataclass(frozen=True)
class Spot:
    """A place where two trainings differ by more than they may.

    Attributes
    ----------
    what : str
        Which number.
    own, other : float
        Of the strategy, and of one device.
    gap : float
        How far they are apart, in the sense of the bound.
    bound : float
        How far they may be.
    """

    what: str
    own: float
    other: float
    gap: float
    bound: float

    def __str__(self) -> str:
        if math.isnan(self.own):
            return f"{self.what}: {self.gap:.1e} off at most, of {self.bound:.0e}"
        return f"{self.what}: {self.own:.9g}, not {self.other:.9g} ({self.gap:.1e} off, of {self.bound:.0e})"


@dataclass
class Gaps:
    """How far two trainings are apart.

    Attributes
    ----------
    loss, norm, weights : float
        The most that was seen; ``norm`` is NaN where one of them tells none.
    spots : list of Spot
        Where it is too much: of losses and norms the first in time, then of weights the first in the
        model's order and the farthest.
    """

    loss: float = 0.0
    norm: float = 0.0
    weights: float = 0.0
    spots: list[Spot] = field(default_factory=list)


def gaps(
    own: Course,
    other: Course,
    weights: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
    bounds: Bounds,
    counts: int = 1,
) -> Gaps:
    """Hold a training against another.

    Parameters
    ----------
    own, other : Course
        The strategy's, and that of one device.
    weights : tuple of Mapping
        Those at the end, of both.
    bounds : Bounds
        What is not too much.
    counts : int
        Losses that make a step.
    """
    found = Gaps()
    spots: list[tuple[float, Spot]] = []
    for index, (mine, theirs) in enumerate(zip(own.losses, other.losses, strict=True)):
        for name in theirs:
            gap = _relative(mine.get(name, math.nan), theirs[name])
            found.loss = max(found.loss, gap)
            if not gap <= bounds.loss:
                spot = Spot(_loss_named(name, index, counts), mine.get(name, math.nan), theirs[name],
                            gap, bounds.loss)  # fmt: skip
                spots.append((index, spot))
    _compare_norms(own.norms, other.norms, bounds, counts, found, spots)
    found.spots = [spot for _, spot in sorted(spots, key=lambda one: one[0])][:1]
    found.spots += _of_weights(weights, bounds, found)
    return found


def _compare_norms(
    own: Sequence[float], other: Sequence[float], bounds: Bounds, counts: int, found: Gaps,
    spots: list[tuple[float, Spot]],
) -> None:  # fmt: skip
    if not own or not other:
        found.norm = math.nan
        return
    for step, (mine, theirs) in enumerate(zip(own, other, strict=False)):
        gap = _relative(mine, theirs)
        found.norm = max(found.norm, gap)
        if not gap <= bounds.norm:
            what = f"norm of the gradients at step {step + 1}"
            spots.append(((step + 1) * counts - 0.5, Spot(what, mine, theirs, gap, bounds.norm)))
    if len(own) != len(other):
        what = "number of steps"
        spots.append((math.inf, Spot(what, len(own), len(other), math.inf, 0.0)))
        found.norm = math.inf


def _of_weights(
    weights: tuple[Mapping[str, Tensor], Mapping[str, Tensor]], bounds: Bounds, found: Gaps
) -> list[Spot]:
    own, other = weights
    far: list[Spot] = []
    for name in [*other, *(name for name in own if name not in other)]:
        if name not in own or name not in other:
            whose = "one device" if name in other else "the strategy"
            far.append(Spot(f"{name}, which {whose} alone has", math.nan, 0.0, math.inf, 0.0))
            found.weights = math.inf
            continue
        gap = _apart(own[name], other[name])
        found.weights = max(found.weights, gap)
        if not gap <= bounds.weights:
            far.append(Spot(f"weights of {name}", math.nan, 0.0, gap, bounds.weights))
    farthest = max(far, key=lambda one: one.gap, default=None)
    return far[:1] if farthest is None or farthest is far[0] else [far[0], farthest]


def _apart(own: Tensor, other: Tensor) -> float:
    if own.shape != other.shape:
        return math.inf
    if not own.numel():
        return 0.0
    gap = float((own.double() - other.double()).abs().max())
    return math.inf if math.isnan(gap) else gap


def _relative(own: float, other: float) -> float:
    if own == other:
        return 0.0
    gap = abs(own - other) / max(abs(other), torch.finfo(torch.float32).tiny)
    return math.inf if math.isnan(gap) else gap


def _loss_named(name: str, index: int, counts: int) -> str:
    what = "loss" if name == "loss" else f"loss {name!r}"
    place = f"step {index // counts + 1}"
    return f"{what} at {place}" + (
        f" (loss {index % counts + 1} of {counts})" if counts > 1 else ""
    )
