"""`FlexibleRunner` on one device: as `Runner` does, run for run."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.parts import loader
from tests.runner.recordings.recipes.checkpoint import keys
from tests.runner.recordings.recipes.loops import noting

ITERS = {"by_epoch": False, "max_iters": 11, "val_interval": 6}


def trained(bench: Bench, **changes: Any) -> Any:
    """Train; tell of the weights, the learning rates, the scalars, the files and the points."""
    calls: list[str] = []
    rates: list[Any] = []

    def note(runner: Any, **told: Any) -> None:
        rates.append(runner.optim_wrapper.get_lr()["lr"])

    settings = bench.settings(
        train_dataloader=loader(shuffle=True),
        param_scheduler={"type": "ExponentialLR", "gamma": 0.5},
        custom_hooks=[noting(bench, calls), bench.probe(before_train_iter=note)],
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 2}},
        **changes,
    )
    runner = bench.runner("FlexibleRunner", **settings)
    runner.train()
    names = [name for name in bench.files() if name.endswith(".pth")]
    return {
        "weights": dict(runner.model.state_dict()),
        "rates": rates,
        "scalars": bench.scalars(),
        "files": {name: keys(bench.checkpoint(name)) for name in names},
        "calls": calls,
        "at": [runner.epoch, runner.iter, runner.max_epochs, runner.max_iters],
        "strategy": type(runner.strategy).__name__,
    }


def resumed(bench: Bench) -> Any:
    """Go on from a checkpoint, of whichever runner."""
    save = {"checkpoint": {"type": "CheckpointHook", "interval": 1}}
    bench.train(default_hooks=save, param_scheduler={"type": "ExponentialLR", "gamma": 0.5})
    again = bench.runner(
        "FlexibleRunner",
        **bench.settings(
            param_scheduler={"type": "ExponentialLR", "gamma": 0.5},
            **bench.again(bench.folder / "run" / "epoch_2.pth", resume=True),
        ),
    )
    again.train()
    return {"weights": dict(again.model.state_dict()), "at": [again.epoch, again.iter]}


def measured(bench: Bench, act: str = "test") -> Any:
    """Test or validate alone."""
    settings = bench.test_settings() if act == "test" else bench.settings()
    runner = bench.runner("FlexibleRunner", **settings)
    return getattr(runner, act)()


def refused(bench: Bench, **changes: Any) -> Any:
    """Make one of parameters that do not go together."""
    return bench.raised(lambda: bench.runner("FlexibleRunner", **bench.settings(**changes)))


RECIPES = {
    "epochs": trained,
    "iterations": partial(
        trained,
        train_cfg=ITERS,
        log_processor={"by_epoch": False},
    ),
    "accumulated": partial(
        trained,
        optim_wrapper={
            "type": "OptimWrapper",
            "optimizer": {"type": "SGD", "lr": 0.1},
            "accumulative_counts": 2,
        },
    ),
    "scaled": partial(trained, auto_scale_lr={"enable": True, "base_batch_size": 4}),
    "strategy": partial(trained, strategy={"type": "SingleDeviceStrategy"}),
    "resumed": resumed,
    "test": measured,
    "validation": partial(measured, act="val"),
    "no-optimizer": partial(refused, optim_wrapper=None),
}
