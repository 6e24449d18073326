"""What a step of a schedule costs, a cosine and a line, for one parameter group and for 200."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import harness

STEPS = 100
MANY = 200
LONG = 10**8


def _optimizer(groups: int) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)], lr=0.1
    )


def _steps(schedule: Any) -> Callable[[], object]:
    def work() -> None:
        for _ in range(STEPS):
            schedule.step()

    return work


def _cosine(module: Any, groups: int) -> Callable[[], object]:
    return _steps(module.CosineAnnealingLR(_optimizer(groups), T_max=LONG))


def _line(module: Any, groups: int) -> Callable[[], object]:
    return _steps(module.LinearLR(_optimizer(groups), start_factor=0.001, end=LONG))


def _engine() -> Any:
    import engine_optim

    warnings.filterwarnings("ignore", message=".*before the optimizer's first step")
    return engine_optim


def _mmengine() -> Any:
    import mmengine.optim

    return mmengine.optim


def _torch() -> Any:
    warnings.filterwarnings("ignore", message="Detected call of")
    return torch.optim.lr_scheduler


def make_engine() -> Callable[[], object]:
    """Step a cosine for one group of this engine."""
    return _cosine(_engine(), 1)


def make_mmengine() -> Callable[[], object]:
    """Step a cosine for one group of MMEngine."""
    return _cosine(_mmengine(), 1)


def make_torch() -> Callable[[], object]:
    """Step a cosine for one group of torch."""
    return _cosine(_torch(), 1)


def make_engine_many() -> Callable[[], object]:
    """Step a cosine for 200 groups of this engine."""
    return _cosine(_engine(), MANY)


def make_mmengine_many() -> Callable[[], object]:
    """Step a cosine for 200 groups of MMEngine."""
    return _cosine(_mmengine(), MANY)


def make_torch_many() -> Callable[[], object]:
    """Step a cosine for 200 groups of torch."""
    return _cosine(_torch(), MANY)


def make_engine_line() -> Callable[[], object]:
    """Step a line for one group of this engine."""
    return _line(_engine(), 1)


def make_mmengine_line() -> Callable[[], object]:
    """Step a line for one group of MMEngine."""
    return _line(_mmengine(), 1)


def make_engine_line_many() -> Callable[[], object]:
    """Step a line for 200 groups of this engine."""
    return _line(_engine(), MANY)


def make_mmengine_line_many() -> Callable[[], object]:
    """Step a line for 200 groups of MMEngine."""
    return _line(_mmengine(), MANY)


def make_torch_line_many() -> Callable[[], object]:
    """Step a line for 200 groups of torch."""
    schedule = _torch().LinearLR(_optimizer(MANY), start_factor=0.001, total_iters=LONG)
    return _steps(schedule)


def _compare(what: str, suffix: str, bounds: dict[str, float], settings: Any) -> bool:
    """Hold the engine against each of the others."""
    module = "benchmarks.optim_schedule_step"
    own: harness.Factory = globals()[f"make_engine{suffix}"]
    holds = True
    for name, bound in bounds.items():
        other = f"make_{name}{suffix}"
        found = harness.compare(
            {
                name: globals()[other] if name == "torch" else harness.elsewhere(f"{module}:{other}"),
                "engine": own,
            },
            name,
            units=STEPS,
            at_most={"engine": bound},
            settings=settings,
        )  # fmt: skip
        print(harness.table(f"A step of {what}, against {name}", found))
        holds &= all(one.holds for one in found)
    return holds


if __name__ == "__main__":
    options = harness.settings_from(harness.parser(__doc__ or "").parse_args())
    kept = [
        _compare("a cosine for one group", "", {"mmengine": 0.6, "torch": 0.6}, options),
        _compare("a line for one group", "_line", {"mmengine": 0.6}, options),
        _compare("a cosine for 200 groups", "_many", {"mmengine": 0.3, "torch": 0.3}, options),
        _compare("a line for 200 groups", "_line_many", {"mmengine": 0.3, "torch": 0.3}, options),
    ]
    raise SystemExit(0 if all(kept) else 1)
