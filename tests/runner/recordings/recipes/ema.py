"""`EMAHook`: the average after each iteration, what is validated, saved and gone on with."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench

ITERS = {"by_epoch": False, "max_iters": 8, "val_interval": 3}


def averaged(bench: Bench, hook: dict[str, Any], **changes: Any) -> Any:
    """Train with an average; note both biases, and what a validation is done with."""
    noted: dict[str, list[Any]] = {"trained": [], "average": [], "validated": []}

    def note(runner: Any, **kwargs: Any) -> None:
        (own,) = (h for h in runner.hooks if type(h).__name__ == "EMAHook")
        noted["trained"].append(runner.model.linear.bias.item())
        noted["average"].append(own.ema_model.module.linear.bias.item())

    def validated(runner: Any, **kwargs: Any) -> None:
        if kwargs["batch_idx"] == 0:
            noted["validated"].append([runner.model.linear.bias.item(), runner.model.steps.item()])

    runner = bench.train(
        custom_hooks=[
            {"type": "EMAHook", **hook},
            bench.probe(after_train_iter=note, after_val_iter=validated),
        ],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}},
        **changes,
    )
    last = [name for name in bench.files() if name.endswith(".pth")][-1]
    saved = bench.checkpoint(last)
    return {
        **noted,
        "saved": {key: saved[key] for key in ("state_dict", "ema_state_dict")},
        "left": dict(runner.model.state_dict()),
    }


def resumed(bench: Bench, hook: dict[str, Any], strict: bool = False, resume: bool = True) -> Any:
    """Go on from, or start from, a checkpoint of the second of three epochs."""
    hook = {"type": "EMAHook", **hook}
    save = {"checkpoint": {"type": "CheckpointHook", "interval": 1}}
    bench.train(custom_hooks=[dict(hook)], default_hooks=save)
    again = bench.runner(
        **bench.settings(
            custom_hooks=[{**hook, "strict_load": strict}],
            **bench.again(bench.folder / "run" / "epoch_2.pth", resume),
        )
    )
    again.train()
    (own,) = (h for h in again.hooks if type(h).__name__ == "EMAHook")
    return {
        "epoch": again.epoch,
        "trained": dict(again.model.state_dict()),
        "average": dict(own.ema_model.state_dict()),
    }


def from_without(bench: Bench, resume: bool) -> Any:
    """Go on from, or start from, a checkpoint of a run without an average."""
    bench.train(default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}})
    again = bench.runner(
        **bench.settings(
            custom_hooks=[{"type": "EMAHook", "momentum": 0.3}],
            **bench.again(bench.folder / "run" / "epoch_2.pth", resume),
        )
    )
    again.train()
    (own,) = (h for h in again.hooks if type(h).__name__ == "EMAHook")
    return {
        "epoch": again.epoch,
        "trained": dict(again.model.state_dict()),
        "average": dict(own.ema_model.state_dict()),
    }


def tested(bench: Bench) -> Any:
    """Test a model whose average is of a checkpoint."""
    bench.train(
        custom_hooks=[{"type": "EMAHook", "momentum": 0.3}],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}},
    )
    tester = bench.runner(
        **bench.test_settings(
            custom_hooks=[{"type": "EMAHook", "momentum": 0.3}],
            **bench.again(bench.folder / "run" / "epoch_2.pth", False),
        )
    )
    return {"metrics": tester.test(), "left": dict(tester.model.state_dict())}


def refused(bench: Bench, **hook: Any) -> Any:
    """Make a hook of parameters that it does not take."""
    return bench.raised(lambda: bench.library("hooks.EMAHook")(**hook))


RECIPES = {
    "default": partial(averaged, hook={}),
    "momentum": partial(averaged, hook={"momentum": 0.3}),
    "interval": partial(averaged, hook={"momentum": 0.3, "interval": 2}),
    "buffers": partial(averaged, hook={"momentum": 0.3, "update_buffers": True}),
    "begin-iter": partial(averaged, hook={"momentum": 0.3, "begin_iter": 4}),
    "begin-epoch": partial(averaged, hook={"momentum": 0.3, "begin_epoch": 1}),
    "by-iter": partial(averaged, hook={"momentum": 0.3, "begin_iter": 2}, train_cfg=ITERS),
    "annealed": partial(
        averaged, hook={"ema_type": "MomentumAnnealingEMA", "momentum": 0.3, "gamma": 5}
    ),
    "stochastic": partial(averaged, hook={"ema_type": "StochasticWeightAverage", "interval": 2}),
    "resumed": partial(resumed, hook={"momentum": 0.3}),
    "resumed-strictly": partial(resumed, hook={"momentum": 0.3}, strict=True),
    "loaded": partial(resumed, hook={"momentum": 0.3}, resume=False),
    "resumed-from-without": partial(from_without, resume=True),
    "loaded-from-without": partial(from_without, resume=False),
    "tested": tested,
    "both-begins": partial(refused, begin_iter=1, begin_epoch=1),
    "begin-below-zero": partial(refused, begin_iter=-1),
    "begin-epoch-below-zero": partial(refused, begin_epoch=-1),
}
