"""Several iterations a step, and learning rates that follow the batch."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.parts import loader, two_optimizers

TEN = {"by_epoch": False, "max_iters": 10, "val_interval": 99}
SGD = {"type": "SGD", "lr": 0.1}


def stepped(bench: Bench, wrapper: dict[str, Any], **changes: Any) -> Any:
    """Return the parameters after each iteration."""
    found: list[Any] = []

    def note(runner: Any, **told: Any) -> None:
        linear = runner.model.linear
        found.append([*linear.weight.flatten().tolist(), *linear.bias.tolist()])

    settings = {"type": "OptimWrapper", "optimizer": SGD, **wrapper}
    bench.train(
        optim_wrapper=settings,
        custom_hooks=[bench.probe(after_train_iter=note)],
        **{"train_cfg": TEN, **changes},
    )
    return found


def scaled(bench: Bench, several: bool = False, batch_size: int = 2, **scale: Any) -> Any:
    """Return the learning rates that training begins with, and those that schedules begin with."""
    model = bench.net()
    changes: dict[str, Any] = {}
    if several:
        changes["optim_wrapper"] = two_optimizers(bench.library("optim"), model)
    found: list[Any] = []

    def note(runner: Any) -> None:
        found.append(runner.optim_wrapper.get_lr())

    raised = bench.raised(
        lambda: bench.train(
            model=model,
            auto_scale_lr=scale,
            train_dataloader=loader(batch_size=batch_size),
            custom_hooks=[bench.probe(before_train=note, after_train_epoch=note)],
            param_scheduler={"type": "ExponentialLR", "gamma": 0.5},
            **changes,
        )
    )
    return {"rates": found, "raised": raised}


RECIPES = {
    "one": partial(stepped, wrapper={}),
    "four": partial(stepped, wrapper={"accumulative_counts": 4}),
    "four-of-epochs": partial(
        stepped, wrapper={"accumulative_counts": 4}, train_cfg={"by_epoch": True, "max_epochs": 3}
    ),
    "four-clipped": partial(
        stepped, wrapper={"accumulative_counts": 4, "clip_grad": {"max_norm": 0.5}}
    ),
    "twenty": partial(stepped, wrapper={"accumulative_counts": 20}),
    "two-momentum": partial(
        stepped,
        wrapper={"accumulative_counts": 2, "optimizer": {**SGD, "momentum": 0.9}},
    ),
    "clipped-value": partial(stepped, wrapper={"clip_grad": {"type": "value", "clip_value": 0.2}}),
    "scaled": partial(scaled, enable=True, base_batch_size=8),
    "scaled-up": partial(scaled, enable=True, base_batch_size=1, batch_size=3),
    "scaled-several": partial(scaled, several=True, enable=True, base_batch_size=8),
    "scaled-not": partial(scaled, enable=False, base_batch_size=8),
    "scaled-unsaid": partial(scaled, base_batch_size=8),
    "scaled-without-base": partial(scaled, enable=True),
}
