"""`LoggerHook`: the lines of a run, those of `scalars.json`, and the files that are moved."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench, untimed
from tests.runner.recordings.parts import loader

ITERS = {"by_epoch": False, "max_iters": 7, "val_interval": 3}
LONG = {"by_epoch": False, "max_iters": 11, "val_interval": 6}
BY_ITER = {"by_epoch": False}


def logged(bench: Bench, hook: dict[str, Any], **changes: Any) -> Any:
    """Train with a logger hook."""
    bench.train(default_hooks=hooks(hook), **changes)
    return {"lines": lines(bench), "scalars": bench.scalars()}


def hooks(hook: dict[str, Any]) -> dict[str, Any]:
    """Return default hooks with this for the logger's."""
    return {"checkpoint": None, "logger": {"type": "LoggerHook", **hook}}


def lines(bench: Bench, *beginnings: str) -> list[str]:
    """Return the lines that the hook writes; those with the experiment's name one recipe tells."""
    return bench.logged(*beginnings or ("Epoch(", "Iter("))


def named(bench: Bench, **hook: Any) -> Any:
    """Tell before which lines the experiment's name stands."""
    bench.train(default_hooks=hooks(hook))
    return [line.split(": ")[0] for line in lines(bench, "Epoch(train", "Exp name")]


def tested(bench: Bench, **hook: Any) -> Any:
    """Test with a logger hook; the metrics come as a file, too."""
    bench.runner(
        **bench.test_settings(
            default_hooks=hooks(hook),
            test_evaluator=[bench.scripted({"acc": 0.25, "curve": [1, 2]})],
        )
    ).test()
    (file,) = (bench.folder / "run").glob("*/*.json")
    return {"lines": lines(bench), "file": untimed(json.loads(file.read_text()))}


def training_lines(bench: Bench, **changes: Any) -> Any:
    """Tell which iterations of a run that is short have a line."""
    bench.train(**changes)
    return [line.split(" lr")[0] for line in lines(bench, "Iter(train", "Epoch(train")]


def elsewhere(bench: Bench, **hook: Any) -> Any:
    """Train with a folder that the logs are moved to in the end."""
    bench.train(default_hooks=hooks({"out_dir": str(bench.folder / "out"), **hook}))
    return {"run": bench.files(), "out": bench.files("out")}


def refused(bench: Bench, **hook: Any) -> Any:
    """Make a hook of parameters that it does not take."""
    return bench.raised(lambda: bench.library("hooks.LoggerHook")(**hook))


SIX: dict[str, Any] = {"train_dataloader": loader(batch_size=1)}

RECIPES = {
    "default": partial(logged, hook={}),
    "each": partial(logged, hook={"interval": 1}),
    "two": partial(logged, hook={"interval": 2}),
    "two-last-too": partial(logged, hook={"interval": 2, "ignore_last": False}),
    "four-of-six": partial(logged, hook={"interval": 4}, **SIX),
    "four-of-six-last-too": partial(logged, hook={"interval": 4, "ignore_last": False}, **SIX),
    "interval-of-epoch": partial(logged, hook={"interval": 3}),
    "iterations": partial(
        logged, hook={"interval": 2}, train_cfg=ITERS, log_processor=BY_ITER
    ),
    "iterations-default": partial(logged, hook={}, train_cfg=LONG, log_processor=BY_ITER),
    "iterations-unsaid": partial(
        training_lines, train_cfg=ITERS, default_hooks=hooks({"interval": 3})
    ),
    "iterations-short": partial(training_lines, train_cfg=ITERS, log_processor=BY_ITER),
    "iterations-last-too": partial(
        logged, hook={"interval": 5, "ignore_last": False}, train_cfg=LONG,
        log_processor=BY_ITER,
    ),
    "experiment": partial(named, interval=1, interval_exp_name=4),
    "experiment-default": partial(named, interval=1),
    "metric-by-iter": partial(logged, hook={"log_metric_by_epoch": False}),
    "metric-by-iter-iterations": partial(
        logged, hook={"log_metric_by_epoch": False}, train_cfg=LONG, log_processor=BY_ITER
    ),
    "epochs-by-iter": partial(logged, hook={}, log_processor=BY_ITER),
    "no-validation": partial(
        logged, hook={"interval": 2}, val_dataloader=None, val_cfg=None, val_evaluator=None
    ),
    "test": tested,
    "test-each": partial(tested, interval=1),
    "elsewhere": elsewhere,
    "elsewhere-moved": partial(elsewhere, keep_local=False),
    "elsewhere-logs": partial(elsewhere, out_suffix=".log"),
    "elsewhere-scalars": partial(elsewhere, out_suffix=(".json",), keep_local=False),
    "elsewhere-backend": partial(elsewhere, backend_args={"backend": "local"}),
    "interval-zero": partial(refused, interval=0),
    "interval-below-zero": partial(refused, interval=-1),
    "interval-no-number": partial(refused, interval="often"),
    "ignore-no-bool": partial(refused, ignore_last=1),
    "experiment-no-number": partial(refused, interval_exp_name="often"),
    "out-no-path": partial(refused, out_dir=1),
    "client-and-backend": partial(
        refused, out_dir="x", file_client_args={"backend": "disk"}, backend_args={"backend": "local"}
    ),
    "client-without-out": partial(refused, file_client_args={"backend": "disk"}),
}  # fmt: skip
