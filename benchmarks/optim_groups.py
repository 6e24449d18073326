"""Constructing parameter groups for 2,000 parameters, and stepping over them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import harness

LAYERS = 1000
MERGED_SECONDS = 0.015
PARAMWISE = {"norm_decay_mult": 0.0, "bias_decay_mult": 0.0, "bias_lr_mult": 2.0}


def _model() -> torch.nn.Module:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(LAYERS)))


def _cfg(**paramwise: Any) -> dict[str, Any]:
    return {
        "optimizer": {"type": "AdamW", "lr": 1e-3, "weight_decay": 0.05, "fused": True},
        "paramwise_cfg": {**PARAMWISE, **paramwise},
    }


def _engine(**paramwise: Any) -> Callable[[], Any]:
    from engine_optim import build_optim_wrapper

    model, cfg = _model(), _cfg(**paramwise)
    return lambda: build_optim_wrapper(model, cfg)


def make_by_hand() -> Callable[[], object]:
    """Sort the parameters into two groups in a loop written for this model."""
    model = _model()

    def work() -> object:
        weights: list[torch.Tensor] = []
        biases: list[torch.Tensor] = []
        for name, param in model.named_parameters():
            (biases if name.endswith(".bias") else weights).append(param)
        groups: list[dict[str, Any]] = [
            {"params": weights},
            {"params": biases, "lr": 2e-3, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.05, fused=True)

    return work


def make_merged() -> Callable[[], object]:
    """Merge equal groups."""
    return _engine(merge_groups=True)


def make_single() -> Callable[[], object]:
    """Make one group a parameter."""
    return _engine()


def make_mmengine() -> Callable[[], object]:
    """Make one group a parameter with MMEngine."""
    from mmengine.logging import MMLogger
    from mmengine.optim import build_optim_wrapper

    MMLogger.get_instance("benchmark").setLevel(logging.ERROR)  # it logs each parameter
    model, cfg = _model(), _cfg()
    return lambda: build_optim_wrapper(model, cfg)


def _step(make: Callable[[], Any]) -> Callable[[], object]:
    optimizer = make().optimizer
    for group in optimizer.param_groups:
        for param in group["params"]:
            param.grad = torch.ones_like(param)
    step: Callable[[], object] = optimizer.step
    return step


def make_step_merged() -> Callable[[], object]:
    """Step over merged groups."""
    return _step(_engine(merge_groups=True))


def make_step_single() -> Callable[[], object]:
    """Step over one group a parameter."""
    return _step(_engine())


def main() -> int:
    """Compare construction and steps."""
    settings = harness.settings_from(harness.parser(__doc__ or "").parse_args())
    built = harness.compare(
        {
            "mmengine": harness.elsewhere("benchmarks.optim_groups:make_mmengine"),
            "engine, one each": make_single,
            "engine, merged": make_merged,
        },
        "mmengine",
        at_most={"engine, one each": 1 / 5},
        settings=settings,
    )
    print(harness.table("Building an optimizer for 2,000 parameters", built))
    merged = built[-1].seconds
    quick = merged is not None and merged.median <= MERGED_SECONDS
    print(f"Merged in {'' if quick else '**not** '}at most {MERGED_SECONDS * 1e3:g} ms.\n")
    steps = harness.compare(
        {"one each": make_step_single, "merged": make_step_merged},
        "one each",
        at_most={"merged": 1 / 3},
        settings=settings,
    )
    print(harness.table("A step of fused AdamW over 2,000 parameters", steps))
    return 0 if quick and all(one.holds for one in [*built, *steps]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
