"""`RuntimeInfoHook`: what the message hub knows at each point, and its scalars in the end."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.parts import two_optimizers
from tests.runner.recordings.recipes.loops import POINTS

ITERS = {"by_epoch": False, "max_iters": 4, "val_interval": 3}
COUNTERS = ("loop_stage", "epoch", "iter", "max_epochs", "max_iters")


def told(bench: Bench, act: str = "train", **changes: Any) -> Any:
    """Note the counters and the stage at each point; at the end, everything else."""
    found: list[Any] = []

    def at(point: str) -> Any:
        def note(runner: Any, **told: Any) -> None:
            known = runner.message_hub.runtime_info
            entry = [point, *(known.get(name) for name in COUNTERS)]
            if not point.endswith("iter") or told["batch_idx"] == 0:
                found.append(entry)

        return note

    hook = bench.probe(**{point: at(point) for point in POINTS})
    settings = bench.test_settings if act == "test" else bench.settings
    runner = bench.runner(**settings(custom_hooks=[hook], **changes))
    getattr(runner, act)()
    known = dict(runner.message_hub.runtime_info)
    return {
        "at": found,
        "dataset": known.get("dataset_meta"),
        "seed": known["seed"],
    }


def facts(bench: Bench) -> Any:
    """Tell which facts there are after training, and which of them are resumed."""
    hub = bench.train().message_hub
    resumed = dict(sorted(hub._resumed_keys.items()))
    return {"facts": dict.fromkeys(hub.runtime_info, 1), "resumed": resumed}


def scalars(bench: Bench, **changes: Any) -> Any:
    """Return the scalars of the hub after training, but for times, and what a metric left else."""
    runner = bench.train(**changes)
    hub = runner.message_hub
    return {
        "scalars": {k: v.data[0] for k, v in hub.log_scalars.items() if "time" not in k},
        "facts": {k: v for k, v in hub.runtime_info.items() if "/" in k},
    }


def several(bench: Bench) -> Any:
    """Train with several optimizers."""
    model = bench.net()
    return scalars(
        bench,
        model=model,
        optim_wrapper=two_optimizers(bench.library("optim"), model, momentum=0.5),
    )


def many_outputs(bench: Bench) -> Any:
    """Train a model that returns losses, lists of them, and what is no loss."""

    def loss(model: Any, errors: Any, index: Any) -> Any:
        return {
            "loss_mean": errors.mean(),
            "loss_both": [errors.max(), errors.min()],
            "accuracy": (errors < 0.5).float().mean(),
        }

    return scalars(bench, model=bench.net(loss=loss))


def many_metrics(bench: Bench) -> Any:
    """Measure more than plain numbers."""
    measured = {"acc": 0.5, "count": 3, "curve": [1, 2], "note": "x", "each": {"a": 0.5}}
    return scalars(bench, val_evaluator=[bench.scripted(measured, prefix="toy")])


def accumulated(bench: Bench) -> Any:
    """Train with several iterations a step, and clipped gradients."""
    wrapper = {
        "type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1},
        "accumulative_counts": 2, "clip_grad": {"max_norm": 1.0},
    }  # fmt: skip
    return scalars(bench, optim_wrapper=wrapper)


def experiment(bench: Bench) -> Any:
    """Tell what a run is called."""
    name = f"named-{bench.folder.name}"
    runner = bench.train(experiment_name=name, train_cfg={"by_epoch": True, "max_epochs": 1})
    return {
        "starts with its name": runner.experiment_name.startswith(name),
        "is its name": runner.experiment_name == name,
        "hub": runner.message_hub.get_info("experiment_name") == runner.experiment_name,
    }


RECIPES = {
    "epochs": partial(told, train_cfg={"by_epoch": True, "max_epochs": 2}),
    "iterations": partial(told, train_cfg=ITERS),
    "validation": partial(told, act="val"),
    "test": partial(told, act="test"),
    "facts": facts,
    "scalars": scalars,
    "scalars-iterations": partial(scalars, train_cfg=ITERS),
    "scalars-groups": partial(
        scalars,
        optim_wrapper={
            "type": "OptimWrapper",
            "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.5},
            "paramwise_cfg": {"bias_lr_mult": 2.0},
        },
        param_scheduler={"type": "LinearLR", "start_factor": 0.5, "by_epoch": False, "end": 4},
    ),
    "scalars-base-lr": partial(
        scalars,
        optim_wrapper={
            "type": "OptimWrapper",
            "optimizer": {"type": "SGD", "lr": 0.1, "weight_decay": 0.01},
            "paramwise_cfg": {"bias_decay_mult": 0.0, "custom_keys": {"weight": {"lr_mult": 0.5}}},
        },
    ),
    "scalars-several": several,
    "scalars-outputs": many_outputs,
    "scalars-metrics": many_metrics,
    "scalars-accumulated": accumulated,
    "experiment": experiment,
}
