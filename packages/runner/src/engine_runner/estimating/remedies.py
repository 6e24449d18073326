"""What would make a training fit that does not, tried one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from engine_dist.estimation import EstimationError
from engine_runner.estimating.estimator import Estimate
from engine_runner.estimating.plan import Plan

__all__ = ["Tried", "first_that_fits"]

_REPLICATED = ("SingleDeviceStrategy", "DDPStrategy", "ZeRO1Strategy")
_Change = Callable[[Plan], Sequence[tuple[str, Plan]]]


@dataclass(frozen=True)
class Tried:
    """A remedy that was tried.

    Attributes
    ----------
    what : str
        What was changed.
    found : Estimate or str
        What it needs so, or why that is not known.
    """

    what: str
    found: Estimate | str

    def fits(self, most: int) -> bool:
        """Tell whether it needs no more than so many bytes."""
        return isinstance(self.found, Estimate) and self.found.step.memory.peak <= most


def first_that_fits(
    start: Estimate, most: int, block: str | None, estimate: Callable[[Plan], Estimate]
) -> list[Tried]:
    """Return what was tried, each by itself and then with all before it, until one fits.

    Parameters
    ----------
    start : Estimate
        What does not fit.
    most : int
        The bytes of the device.
    block : str, optional
        The class of modules that could compute their activations anew.
    estimate : callable
        Estimates a plan.
    """
    tried: list[Tried] = []

    def fits(said: Sequence[str], plan: Plan) -> bool:
        tried.append(_try(", ".join(said), plan, estimate))
        return tried[-1].fits(most)

    changes = list(_changes(start, block))
    for change in changes:
        for text, plan in change(start.plan):
            if fits([text], plan):
                return tried
    said: list[str] = []
    plan = start.plan
    for number, change in enumerate(changes):
        for text, changed in change(plan):
            if number and fits([*said, text], changed):
                return tried
        plan, said = changed, [*said, text]
    return tried


def _changes(start: Estimate, block: str | None) -> Iterator[_Change]:
    """Yield what can be changed, in the order of what it costs."""
    replicated = start.strategy in _REPLICATED
    several = start.plan.world_size > 1
    if block is not None and start.plan.recompute is None:
        yield lambda plan: [
            (f"activation checkpointing of {block}", replace(plan, recompute=block))
        ]
    if (start.plan.batch_size or 1) > 1:
        yield lambda plan: list(_smaller(plan))
    if replicated and several:
        yield lambda plan: [("FSDPStrategy", replace(plan, strategy="fsdp"))]
    if start.strategy in ("FSDPStrategy", "DeepSpeedStrategy"):
        yield lambda plan: [("offload to the host", replace(plan, offload=True))]
    elif replicated and several:
        yield lambda plan: [
            (
                "offload to the host" + ("" if plan.strategy == "fsdp" else " by FSDPStrategy"),
                replace(plan, strategy="fsdp", offload=True),
            )
        ]
    yield lambda plan: [("bfloat16", replace(plan, bf16=True))]


def _smaller(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Yield plans with batches of fewer samples and more batches a step, of as many in all."""
    size = plan.batch_size or 1
    for times in range(2, size + 1):
        if size % times == 0 and (times & (times - 1) == 0 or times == size):
            text = f"batches of {size // times}, {times} times as many a step"
            count = plan.accumulation * times
            yield text, replace(plan, batch_size=size // times, accumulation=count)


def _try(what: str, plan: Plan, estimate: Callable[[Plan], Estimate]) -> Tried:
    try:
        return Tried(what, estimate(plan))
    except EstimationError as error:
        return Tried(what, str(error).splitlines()[0])
    except Exception as error:  # what a plan cannot do the other ones may
        return Tried(what, f"{type(error).__name__}: {error}".splitlines()[0])
