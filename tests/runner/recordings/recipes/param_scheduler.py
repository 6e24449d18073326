"""`ParamSchedulerHook`: learning rates and momenta as each iteration begins."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.parts import two_optimizers

ITERS = {"by_epoch": False, "max_iters": 7, "val_interval": 3}
MOMENTUM = {
    "type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.5}
}  # fmt: skip
PLATEAU = {"type": "ReduceOnPlateauLR", "monitor": "acc", "rule": "greater", "patience": 1}


def noted(bench: Bench, **changes: Any) -> Any:
    """Return the settings of the optimizer, iteration by iteration, and after the last."""
    found: list[Any] = []

    def note(runner: Any, **told: Any) -> None:
        wrapper = runner.optim_wrapper
        found.append({**wrapper.get_lr(), **wrapper.get_momentum()})

    bench.train(
        custom_hooks=[bench.probe(before_train_iter=note, after_train=note)],
        **{"optim_wrapper": MOMENTUM, **changes},
    )
    return found


def several(bench: Bench, param_scheduler: Any) -> Any:
    """Return the settings of several optimizers."""
    model = bench.net()
    wrapper = two_optimizers(bench.library("optim"), model, momentum=0.5)
    return noted(bench, model=model, optim_wrapper=wrapper, param_scheduler=param_scheduler)


def watching(bench: Bench, values: Any, train_cfg: Any, **schedule: Any) -> Any:
    """Return the settings where a schedule watches a metric."""
    measured = bench.scripted(*({"acc": value} for value in values))
    return noted(
        bench,
        val_evaluator=[measured],
        train_cfg=train_cfg,
        param_scheduler={**PLATEAU, **schedule},
    )


EPOCHS = {"by_epoch": True, "max_epochs": 5}
HALVED = {"type": "ExponentialLR", "gamma": 0.5, "by_epoch": True}
WARMED = {"type": "LinearLR", "start_factor": 0.25, "by_epoch": False, "begin": 0, "end": 4}

RECIPES = {
    "none": noted,
    "by-epoch": partial(noted, param_scheduler=HALVED),
    "by-iter": partial(noted, param_scheduler=WARMED),
    "both": partial(noted, param_scheduler=[WARMED, HALVED]),
    "momentum": partial(
        noted, param_scheduler=[HALVED, {"type": "StepMomentum", "step_size": 1, "gamma": 0.5}]
    ),
    "converted": partial(
        noted,
        param_scheduler={
            "type": "CosineAnnealingLR", "T_max": 3, "by_epoch": True, "convert_to_iter_based": True
        },
    ),
    "without-end": partial(
        noted,
        param_scheduler=[
            {"type": "LinearLR", "start_factor": 0.5},
            {"type": "PolyLR", "power": 2, "by_epoch": False},
        ],
    ),
    "begin-and-end": partial(
        noted, param_scheduler={**HALVED, "begin": 1, "end": 3}, train_cfg=EPOCHS
    ),
    "iterations": partial(noted, param_scheduler=WARMED, train_cfg=ITERS),
    "iterations-by-epoch": partial(noted, param_scheduler=HALVED, train_cfg=ITERS),
    "several-alike": partial(several, param_scheduler=HALVED),
    "several-apart": partial(
        several, param_scheduler={"weight": [HALVED], "bias": [WARMED, HALVED]}
    ),
    "several-one-alone": lambda bench: bench.raised(
        lambda: several(bench, param_scheduler={"weight": HALVED})
    ),
    "plateau": partial(watching, values=(0.5, 0.4, 0.3, 0.2, 0.6), train_cfg=EPOCHS),
    "plateau-by-iter": partial(watching, values=(0.5, 0.4, 0.3, 0.2), train_cfg=ITERS),
    "plateau-seldom": partial(
        watching, values=(0.5, 0.4, 0.3), train_cfg={**EPOCHS, "val_interval": 2}, patience=0
    ),
    "plateau-and-warm-up": partial(
        noted, param_scheduler=[WARMED, {**PLATEAU, "monitor": "error", "threshold": 9.0}],
        train_cfg=EPOCHS,
    ),
}  # fmt: skip
