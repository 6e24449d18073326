"""What is said of an estimate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine_dist.estimation import CLASSES, EstimationError, Traffic, Undivided
from engine_runner.estimating.estimator import Estimate
from engine_runner.estimating.remedies import Tried

__all__ = ["bytes_of", "lines_of", "remedies_lines", "size_of"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_BYTES = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)
_MOST_NAMES = 10
_WHAT = {
    "parameters": "and buffers",
    "gradients": "",
    "optimizer state": "",
    "communication": "buckets, gathered parameters and their gradients",
    "activations": "of a batch, their gradients, work space",
}


def size_of(count: float) -> str:
    """Return a number of bytes in the unit that it is read best in."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.2f} {_UNITS[unit]}"


def bytes_of(text: str) -> int:
    """Return the number of bytes that a text such as ``80GiB`` or ``24 GB`` means.

    Raises
    ------
    EstimationError
        If it means none.
    """
    found = _BYTES.fullmatch(text)
    number = float(found[1]) if found else 0.0
    if found is None or number <= 0:
        raise EstimationError(
            f"--device-memory is a number of bytes such as 80GiB or 24GB, got {text!r}"
        )
    base = 1024 if found[3] else 1000
    return int(number * base ** ("KMGT".index(found[2].upper()) + 1 if found[2] else 0))


def lines_of(config: str, made: Estimate) -> Iterator[str]:
    """Yield the lines of an estimate."""
    plan, step, memory = made.plan, made.step, made.step.memory
    yield f"{config}: {made.strategy}, process 0 of {plan.world_size}{_samples(made)}"
    if step.by_arithmetic:
        yield (
            "  by arithmetic: DeepSpeed's engine cannot run on tensors without values; what of the "
            "model each process holds is reckoned by the stage's documented partitioning"
        )
    yield f"  {'':16} {'most':>12} {'at the peak':>12}"
    for name in CLASSES:
        most, held = size_of(memory.most[name]), size_of(memory.at_peak[name])
        yield f"  {name:16} {most:>12} {held:>12}  {_WHAT[name]}".rstrip()
    yield f"  {'peak':16} {'':12} {size_of(memory.peak):>12}  in the {memory.when}"
    yield f"  sent a step: {_traffic(step.traffic)}"
    yield from _whole(step.undivided, step.parameters, plan.world_size)


def _samples(made: Estimate) -> str:
    size = made.plan.batch_size
    if size is None:
        return ""
    several = f", {made.accumulation} a step" if made.accumulation > 1 else ""
    split = made.plan.tensor_parallel
    layers = f", layers split over {split}" if split else ""
    return f", batches of {size}{several}{layers}: {made.samples} samples a step"


def _traffic(traffic: Traffic) -> str:
    if not traffic.total:
        return "nothing"
    parts = [
        f"{name} {size_of(sent)} in {traffic.calls[name]}"
        for name, sent in sorted(traffic.sent.items(), key=lambda one: -one[1])
    ]
    return f"{size_of(traffic.total)} ({', '.join(parts)})"


def _whole(undivided: Sequence[Undivided], parameters: int, world_size: int) -> Iterator[str]:
    if world_size == 1 or not undivided:
        return
    held = sum(one.held for one in undivided)
    if held >= parameters:
        yield f"  parameters: each process holds all, {size_of(held)}"
        return
    yield (
        f"  parameters of which a process holds more than its share: {len(undivided)}, "
        f"{size_of(held)} here"
    )
    for one in undivided[:_MOST_NAMES]:
        yield f"    {one.name}: {size_of(one.held)}, a share would be {size_of(one.share)}"
    if len(undivided) > _MOST_NAMES:
        yield f"    and {len(undivided) - _MOST_NAMES} more"


def remedies_lines(tried: Sequence[Tried], most: int) -> Iterator[str]:
    """Yield what was tried so that it fits, and what does it."""
    for one in tried:
        if isinstance(one.found, str):
            yield f"  {one.what}: cannot be estimated: {one.found}"
            continue
        peak = one.found.step.memory.peak
        verdict = "fits" if one.fits(most) else "does not fit"
        yield f"  {one.what}: {verdict}, peak {size_of(peak)}"
    if not any(one.fits(most) for one in tried):
        yield "  nothing of it is enough: use more processes, or split layers by --tensor-parallel"
