"""What two processes do that train apart: `SyncBuffersHook`, and the samples of each."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import distributed

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.parts import loader

ITERS = {"by_epoch": False, "max_iters": 4, "val_interval": 2}
POINTS = ("before_train_iter", "after_train_epoch", "before_val_epoch", "after_val_epoch")


def synchronised(bench: Bench, hook: bool = True, **changes: Any) -> Any:
    """Return a buffer, which each process changes by its number, before and after hooks act."""
    found: list[Any] = []

    def loss(model: Any, errors: Any, index: Any) -> Any:
        model.steps += 10 * distributed.get_rank()
        return {"loss": errors.mean()}

    def noting(when: str) -> dict[str, Any]:
        def at(point: str) -> Any:
            return lambda runner, **told: found.append([when, point, runner.model.steps.item()])

        return {point: at(point) for point in POINTS}

    bench.train(
        model=bench.net(loss=loss),
        custom_hooks=[
            bench.probe("HIGH", **noting("before")),
            *([{"type": "SyncBuffersHook"}] if hook else []),
            bench.probe("LOWEST", **noting("after")),
        ],
        **changes,
    )
    return found


def dealt(bench: Bench, own: dict[str, Any], **changes: Any) -> Any:
    """Return which samples this process trains on."""
    found: list[Any] = []

    def note(runner: Any, **told: Any) -> None:
        found.append(told["data_batch"]["index"])

    bench.train(
        train_dataloader=loader(**own),
        custom_hooks=[bench.probe(after_train_iter=note)],
        **changes,
    )
    return found


def measured(bench: Bench) -> Any:
    """Return what a validation measures, which gathers from both."""
    return bench.runner(**bench.settings()).val()


RECIPES = {
    "buffers": synchronised,
    "buffers-iterations": partial(synchronised, train_cfg=ITERS),
    "buffers-without-hook": partial(synchronised, hook=False),
    "dealt": partial(dealt, own={}),
    "dealt-shuffled": partial(dealt, own={"shuffle": True}),
    "dealt-iterations": partial(dealt, own={"shuffle": True}, train_cfg=ITERS),
    "dealt-infinite": partial(
        dealt, own={"sampler": {"type": "InfiniteSampler", "shuffle": False}}, train_cfg=ITERS
    ),
    "measured": measured,
}
