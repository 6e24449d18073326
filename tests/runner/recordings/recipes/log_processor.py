"""`LogProcessor`: what it makes of the scalars of a run, as numbers and as a line."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench, mask, untimed

ITERS = {"by_epoch": False, "max_iters": 5, "val_interval": 3}


def losses(model: Any, errors: Any, index: Any) -> Any:
    """Return more than one loss, and what is none."""
    return {
        "loss_mean": errors.mean(),
        "loss_max": errors.max(),
        "accuracy": (errors < 0.5).float().mean(),
    }


def logged(bench: Bench, processor: dict[str, Any], every: bool = False, **changes: Any) -> Any:
    """Train, and ask after iterations and validations what is to be said."""
    said: list[Any] = []

    def iterated(mode: str) -> Any:
        def note(runner: Any, batch_idx: int, **told: Any) -> None:
            if not every and (runner.iter not in (1, 5) or (mode == "val" and batch_idx != 1)):
                return
            tag, text = runner.log_processor.get_log_after_iter(runner, batch_idx, mode)
            said.append([untimed(tag), mask(text)])

        return note

    def measured(runner: Any, **told: Any) -> None:
        for others in (False, True) if every else (True,):
            tag, text = runner.log_processor.get_log_after_epoch(runner, 3, "val", others)
            said.append([untimed(tag), mask(text)])

    changes = {
        "train_cfg": {"by_epoch": True, "max_epochs": 2},
        "val_evaluator": [bench.scripted({"acc": 0.25, "count": 3, "curve": [1, 2], "note": "x"})],
        **changes,
    }
    bench.train(
        model=bench.net(loss=losses),
        log_processor={"type": "LogProcessor", **processor},
        custom_hooks=[
            bench.probe(
                after_train_iter=iterated("train"),
                after_val_iter=iterated("val"),
                after_val_epoch=measured,
            )
        ],
        **changes,
    )
    return said


def order_of_times(bench: Bench) -> Any:
    """Tell in which order a line of a validation names its times."""
    bench.train()
    lines = [text for _, text in bench.lines if text.startswith("Epoch(")]
    return [re.findall(r"\w+(?=: )", line) for line in lines]


def tested(bench: Bench, **processor: Any) -> Any:
    """Test, and ask what is to be said."""
    said: list[Any] = []

    def iterated(runner: Any, batch_idx: int, **told: Any) -> None:
        tag, text = runner.log_processor.get_log_after_iter(runner, batch_idx, "test")
        said.append([untimed(tag), mask(text)])

    def measured(runner: Any, **told: Any) -> None:
        tag, text = runner.log_processor.get_log_after_epoch(runner, 3, "test", True)
        said.append([untimed(tag), mask(text)])

    bench.runner(
        **bench.test_settings(
            log_processor=processor,
            test_evaluator=[bench.scripted({"acc": 0.25, "curve": [1, 2]})],
            custom_hooks=[bench.probe(after_test_iter=iterated, after_test_epoch=measured)],
        )
    ).test()
    return said


def refused(bench: Bench, **processor: Any) -> Any:
    """Make one of parameters that it does not take."""
    return bench.raised(lambda: bench.library("runner.LogProcessor")(**processor))


def custom(*statistics: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of one with further statistics."""
    return {"custom_cfg": list(statistics)}


LOSS = {"data_src": "loss"}
GROUPS = {
    "type": "OptimWrapper",
    "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9},
    "paramwise_cfg": {"bias_lr_mult": 2.0},
    "clip_grad": {"max_norm": 1.0},
}

RECIPES = {
    "default": partial(logged, processor={}, every=True),
    "by-iter": partial(logged, processor={"by_epoch": False}, train_cfg=ITERS),
    "by-iter-of-epochs": partial(logged, processor={"by_epoch": False}),
    "window": partial(logged, processor={"window_size": 2}),
    "window-one": partial(logged, processor={"window_size": 1}),
    "digits": partial(logged, processor={"num_digits": 2}),
    "hierarchy": partial(logged, processor={"log_with_hierarchy": True}),
    "pattern": partial(logged, processor={"mean_pattern": r".*(accuracy|time).*"}),
    "pattern-none": partial(logged, processor={"mean_pattern": r"^$"}),
    "groups-and-norm": partial(logged, processor={}, optim_wrapper=GROUPS),
    "custom-mean-epoch": partial(
        logged,
        processor=custom({**LOSS, "method_name": "mean", "window_size": "epoch"}),
    ),
    "custom-mean-global": partial(
        logged,
        processor=custom(
            {**LOSS, "log_name": "loss_all", "method_name": "mean", "window_size": "global"}
        ),
    ),
    "custom-min-max": partial(
        logged,
        processor=custom(
            {**LOSS, "log_name": "loss_low", "method_name": "min", "window_size": 3},
            {**LOSS, "log_name": "loss_high", "method_name": "max"},
            {**LOSS, "log_name": "loss_now", "method_name": "current"},
        ),
    ),
    "custom-of-validation": partial(
        logged,
        processor=custom({"data_src": "acc", "log_name": "acc_max", "method_name": "max"}),
    ),
    "custom-of-nothing": partial(
        logged, processor=custom({"data_src": "nothing", "method_name": "mean"})
    ),
    "custom-lr": partial(
        logged, processor=custom({"data_src": "lr", "log_name": "lr_max", "method_name": "max"})
    ),
    "custom-hierarchy": partial(
        logged,
        processor={
            "log_with_hierarchy": True,
            **custom({**LOSS, "log_name": "loss_low", "method_name": "min"}),
        },
    ),
    "test": tested,
    "test-by-iter": partial(tested, by_epoch=False),
    "test-hierarchy": partial(tested, log_with_hierarchy=True),
    "order-of-times": order_of_times,
    "twice-one-name": partial(
        refused, custom_cfg=[{**LOSS, "method_name": "max"}, {**LOSS, "method_name": "min"}]
    ),
    "epoch-window-by-iter": partial(
        refused, by_epoch=False,
        custom_cfg=[{**LOSS, "method_name": "max", "window_size": "epoch"}],
    ),
    "custom-no-list": partial(refused, custom_cfg={**LOSS, "method_name": "max"}),
    "custom-bad-window": partial(
        refused, custom_cfg=[{**LOSS, "method_name": "max", "window_size": "all"}]
    ),
}  # fmt: skip
