"""What a step of a cosine schedule costs, for one parameter group and for 200."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import harness

STEPS = 1000


def _optimizer(groups: int) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)], lr=0.1
    )


def _steps(schedule: Any) -> Callable[[], object]:
    def work() -> None:
        for _ in range(STEPS):
            schedule.step()

    return work


def _engine(groups: int) -> Callable[[], object]:
    from engine_optim import CosineAnnealingLR

    return _steps(CosineAnnealingLR(_optimizer(groups), T_max=10**8))


def _mmengine(groups: int) -> Callable[[], object]:
    from mmengine.optim import CosineAnnealingLR

    return _steps(CosineAnnealingLR(_optimizer(groups), T_max=10**8))


def _torch(groups: int) -> Callable[[], object]:
    warnings.filterwarnings("ignore", message="Detected call of")
    return _steps(torch.optim.lr_scheduler.CosineAnnealingLR(_optimizer(groups), T_max=10**8))


def make_engine() -> Callable[[], object]:
    """One group of this engine."""
    return _engine(1)


def make_mmengine() -> Callable[[], object]:
    """One group of MMEngine."""
    return _mmengine(1)


def make_torch() -> Callable[[], object]:
    """One group of torch."""
    return _torch(1)


def make_engine_many() -> Callable[[], object]:
    """200 groups of this engine."""
    return _engine(200)


def make_mmengine_many() -> Callable[[], object]:
    """200 groups of MMEngine."""
    return _mmengine(200)


def make_torch_many() -> Callable[[], object]:
    """200 groups of torch."""
    return _torch(200)


def _compare(groups: str, suffix: str, bounds: dict[str, float], settings: Any) -> bool:
    """Hold the engine against each of the others."""
    module = "benchmarks.optim_schedule_step"
    own: harness.Factory = globals()[f"make_engine{suffix}"]
    others: dict[str, harness.Factory] = {
        "mmengine": harness.elsewhere(f"{module}:make_mmengine{suffix}"),
        "torch": globals()[f"make_torch{suffix}"],
    }
    holds = True
    for name, other in others.items():
        bound = {"engine": bounds[name]} if name in bounds else {}
        found = harness.compare(
            {name: other, "engine": own}, name, units=STEPS, at_most=bound, settings=settings
        )
        print(harness.table(f"A step of a schedule for {groups}, against {name}", found))
        holds &= all(one.holds for one in found)
    return holds


if __name__ == "__main__":
    options = harness.settings_from(harness.parser(__doc__ or "").parse_args())
    one = _compare("one group", "", {"mmengine": 0.7}, options)
    many = _compare("200 groups", "_many", {"mmengine": 1 / 3, "torch": 1 / 3}, options)
    raise SystemExit(0 if one and many else 1)
