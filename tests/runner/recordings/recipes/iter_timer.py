"""`IterTimerHook`: seconds by a clock that goes on by reading a sample and by training on a batch."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.runner.recordings.bench import Bench, Clock
from tests.runner.recordings.parts import Points, loader

ITERS = {"by_epoch": False, "max_iters": 7, "val_interval": 3}


def timed(bench: Bench, act: str = "train", of: str = "train", **changes: Any) -> Any:
    """Return times, and how much is left as is said at each iteration of a mode."""
    left: list[Any] = []
    with bench.clock() as clock:

        def note(runner: Any, **told: Any) -> None:
            left.append(runner.message_hub.get_info("eta"))

        noted: dict[str, Any] = {f"after_{of}_iter": note}
        hook = bench.probe(**noted)
        settings = bench.test_settings if act == "test" else bench.settings
        parts = {
            f"{phase}_dataloader": loader(dataset=points(clock))
            for phase in (("test",) if act == "test" else ("train", "val"))
        }
        runner = bench.runner(
            **settings(custom_hooks=[hook], model=slow(bench, clock), **{**parts, **changes})
        )
        getattr(runner, act)()
    hub = runner.message_hub
    return {
        "times": {k: v.data[0] for k, v in hub.log_scalars.items() if "time" in k},
        "eta": left,
    }


def points(clock: Clock) -> Points:
    """Return points of which each takes a while to be read, the later the longer."""

    def read(index: int) -> None:
        clock.now += 0.125 * (index + 1)

    return Points(on_read=read)


def slow(bench: Bench, clock: Clock) -> Any:
    """Return a model that takes a while, more to train than to predict."""

    def loss(model: Any, errors: Any, index: Any) -> Any:
        clock.now += 2 + float(index[0])
        return {"loss": errors.mean()}

    def predict(model: Any, errors: Any, index: Any) -> Any:
        clock.now += 1
        return [float(error) for error in errors]

    return bench.net(loss=loss, predict=predict)


def resumed(bench: Bench) -> Any:
    """Return the times of a run that goes on."""
    train_cfg = {"by_epoch": True, "max_epochs": 3, "val_interval": 3}
    save = {"checkpoint": {"type": "CheckpointHook", "interval": 1}}
    timed(bench, default_hooks=save, train_cfg=train_cfg)
    again = bench.again(bench.folder / "run" / "epoch_2.pth", resume=True)
    return timed(bench, train_cfg=train_cfg, **again)


RECIPES = {
    "epochs": timed,
    "iterations": partial(timed, train_cfg=ITERS),
    "epochs-validating": partial(timed, of="val"),
    "iterations-validating": partial(timed, of="val", train_cfg=ITERS),
    "validation": partial(timed, act="val", of="val"),
    "test": partial(timed, act="test", of="test"),
    "not-validated": partial(timed, val_dataloader=None, val_cfg=None, val_evaluator=None),
    "resumed": resumed,
}
