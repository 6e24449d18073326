"""The loops: in which order the points of the hooks come, and where validations are."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from tests.runner.recordings.bench import Bench
from tests.runner.recordings.parts import loader

POINTS = (
    "before_run", "after_load_checkpoint", "before_train", "before_train_epoch",
    "before_train_iter", "after_train_iter", "after_train_epoch", "before_val",
    "before_val_epoch", "before_val_iter", "after_val_iter", "after_val_epoch", "after_val",
    "before_save_checkpoint", "after_train", "before_test", "before_test_epoch",
    "before_test_iter", "after_test_iter", "after_test_epoch", "after_test", "after_run",
)  # fmt: skip
SHORT = {"by_epoch": True, "max_epochs": 2}


def noting(bench: Bench, calls: list[str]) -> Any:
    """Return a hook that notes each point with epoch, iteration and batch."""

    def at(point: str) -> Any:
        def note(runner: Any, **told: Any) -> None:
            batch = f" batch {told['batch_idx']}" if "batch_idx" in told else ""
            # between the iterations nothing depends on the mode of the model
            mode = f" {'training' if runner.model.training else 'evaluating'}" if batch else ""
            calls.append(f"{point} {runner.epoch} {runner.iter}{batch}{mode}")

        return note

    return bench.probe(**{point: at(point) for point in POINTS})


def order(bench: Bench, act: str = "train", **changes: Any) -> Any:
    """Train, validate or test, and tell which points came with which counters."""
    calls: list[str] = []
    settings = bench.test_settings if act == "test" else bench.settings
    runner = bench.runner(**settings(custom_hooks=[noting(bench, calls)], **changes))
    getattr(runner, act)()
    return calls


def saving_order(bench: Bench, train_cfg: dict[str, Any]) -> Any:
    """Tell where among the points a checkpoint is saved, and loaded by who goes on from it."""
    save = {"checkpoint": {"type": "CheckpointHook", "interval": 1}}
    calls = order(bench, default_hooks=save, train_cfg=train_cfg)
    start = bench.folder / "run" / "epoch_1.pth"
    again = bench.again(start, resume=True)
    return {"saving": calls, "resuming": order(bench, train_cfg=train_cfg, **again)}


def validations_of_resumed(bench: Bench) -> Any:
    """Tell where a run validates that goes on from before a validation that was due."""
    calls = saving_order(bench, SHORT)["resuming"]
    return [call for call in calls if call.startswith("before_val ")]


def stopped(bench: Bench, point: str, at: int, **changes: Any) -> Any:
    """Stop training at a point, when so many iterations are done."""
    calls: list[str] = []

    def stop(runner: Any, **told: Any) -> None:
        if runner.iter == at:
            runner.train_loop.stop_training = True

    stopping: dict[str, Any] = {point: stop}
    runner = bench.train(custom_hooks=[noting(bench, calls), bench.probe(**stopping)], **changes)
    return {"calls": calls, "epoch": runner.epoch, "iter": runner.iter}


def validations(bench: Bench, **train_cfg: Any) -> Any:
    """Tell after which epochs or iterations a run validates."""
    found: list[Any] = []

    def note(runner: Any) -> None:
        found.append([runner.epoch, runner.iter, runner.train_loop.val_interval])

    runner = bench.train(custom_hooks=[bench.probe(before_val=note)], train_cfg=train_cfg)
    loop = runner.train_loop
    return {"at": found, "loop": [loop.epoch, loop.iter, loop.max_epochs, loop.max_iters,
                                  loop.val_begin, loop.val_interval]}  # fmt: skip


def refused(bench: Bench, **changes: Any) -> Any:
    """Train with settings that cannot be."""
    return bench.raised(lambda: bench.train(**changes))


def precision(bench: Bench, act: str, fp16: bool) -> Any:
    """Tell in which precision a model predicts, and whether it could be trained by it."""
    found: list[Any] = []

    def predict(model: Any, errors: Any, index: Any) -> Any:
        found.append([str(model.linear(torch.ones(1, 2)).dtype), torch.is_grad_enabled()])
        return [float(error) for error in errors]

    changes = {"model": bench.net(predict=predict), f"{act}_cfg": {"fp16": fp16}}
    settings = bench.test_settings if act == "test" else bench.settings
    runner = bench.runner(**settings(**changes))
    metrics = getattr(runner, act)()
    return {"predicts": found, "metrics": list(metrics)}


def with_loss(bench: Bench, kind: str, act: str = "val") -> Any:
    """Validate or test a model whose predictions end with their losses."""
    element = bench.library("structures.BaseDataElement")

    def predict(model: Any, errors: Any, index: Any) -> Any:
        one, two = errors.mean(), errors.max()
        losses: dict[str, Any] = {
            "one": {"loss": one},
            "two": {"loss_mean": one, "loss_max": two},
            "list": {"loss_both": [one, two], "other": two},
        }
        return [*map(float, errors), element(loss=losses[kind])]

    settings = bench.test_settings if act == "test" else bench.settings
    runner = bench.runner(**settings(model=bench.net(predict=predict)))
    metrics = getattr(runner, act)()
    hub = runner.message_hub
    return {
        "metrics": metrics,
        "again": getattr(runner, act)(),
        "hub": {k: v.data[0] for k, v in hub.log_scalars.items() if "time" not in k},
        "logged": bench.logged("Epoch(", "Iter("),
    }


def seen(bench: Bench, own: dict[str, Any], **changes: Any) -> Any:
    """Tell which samples make up the batches of training."""
    found: list[Any] = []

    def note(runner: Any, **told: Any) -> None:
        found.append(told["data_batch"]["index"])

    changes = {"train_dataloader": loader(**own), **changes}
    bench.train(custom_hooks=[bench.probe(after_train_iter=note)], **changes)
    return found


ITERS = {"by_epoch": False, "max_iters": 8, "val_interval": 3}
INFINITE = {"type": "InfiniteSampler", "shuffle": True}

RECIPES = {
    "epochs": partial(order, train_cfg=SHORT),
    "epochs-seldom-validated": partial(
        order, train_cfg={"by_epoch": True, "max_epochs": 3, "val_interval": 2}
    ),
    "iterations": partial(order, train_cfg={**ITERS, "max_iters": 5, "val_interval": 2}),
    "validation": partial(order, act="val"),
    "test": partial(order, act="test"),
    "saving": partial(saving_order, train_cfg={**SHORT, "val_interval": 2}),
    "resuming-before-validation": validations_of_resumed,
    "saving-by-iter": partial(
        order, train_cfg=SHORT,
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 2, "by_epoch": False}},
    ),
    "stopped-after-iter": partial(stopped, point="after_train_iter", at=1),
    "stopped-after-epoch": partial(stopped, point="after_train_epoch", at=3),
    "stopped-after-validation": partial(stopped, point="after_val_epoch", at=3),
    "stopped-amid-iterations": partial(
        stopped, point="after_train_iter", at=3, train_cfg=ITERS
    ),
    "stopped-validating-iterations": partial(
        stopped, point="after_val_epoch", at=3, train_cfg=ITERS
    ),
    "begin": partial(validations, by_epoch=True, max_epochs=5, val_begin=3),
    "begin-interval": partial(validations, by_epoch=True, max_epochs=7, val_begin=2, val_interval=3),
    "begin-after-all": partial(validations, by_epoch=True, max_epochs=3, val_begin=9),
    "interval-after-all": partial(validations, by_epoch=True, max_epochs=3, val_interval=9),
    "dynamic": partial(
        validations, by_epoch=True, max_epochs=9, val_interval=4,
        dynamic_intervals=[(4, 2), (7, 1)],
    ),
    "dynamic-begin": partial(
        validations, by_epoch=True, max_epochs=8, val_interval=2, val_begin=3,
        dynamic_intervals=[(5, 3)],
    ),
    "dynamic-unsorted": partial(
        validations, by_epoch=True, max_epochs=9, val_interval=4,
        dynamic_intervals=[(7, 1), (4, 2)],
    ),
    "iterations-begin": partial(
        validations, by_epoch=False, max_iters=9, val_begin=4, val_interval=2
    ),
    "iterations-dynamic": partial(
        validations, by_epoch=False, max_iters=12, val_interval=5,
        dynamic_intervals=[(6, 2), (10, 1)],
    ),
    "iterations-default-interval": partial(validations, by_epoch=False, max_iters=4),
    "epochs-as-float": partial(validations, by_epoch=True, max_epochs=2.0),
    "iterations-as-float": partial(validations, by_epoch=False, max_iters=4.0, val_interval=2),
    "epochs-as-fraction": partial(refused, train_cfg={"by_epoch": True, "max_epochs": 1.5}),
    "by-epoch-with-iters": partial(refused, train_cfg={"by_epoch": True, "max_iters": 2}),
    "no-length": partial(refused, train_cfg={"by_epoch": True}),
    "type-and-by-epoch": partial(
        refused, train_cfg={"type": "EpochBasedTrainLoop", "by_epoch": True, "max_epochs": 1}
    ),
    "val-half": partial(precision, act="val", fp16=True),
    "val-full": partial(precision, act="val", fp16=False),
    "test-half": partial(precision, act="test", fp16=True),
    "val-loss": partial(with_loss, kind="one"),
    "val-loss-two": partial(with_loss, kind="two"),
    "val-loss-list": partial(with_loss, kind="list"),
    "test-loss": partial(with_loss, kind="one", act="test"),
    "order": partial(seen, own={}),
    "order-shuffled": partial(seen, own={"shuffle": True}),
    "order-shuffled-iterations": partial(seen, own={"shuffle": True}, train_cfg=ITERS),
    "order-uneven": partial(seen, own={"shuffle": True, "batch_size": 4}, train_cfg=ITERS),
    "order-drop-last": partial(
        seen, own={"shuffle": True, "batch_size": 4, "drop_last": True}, train_cfg=ITERS
    ),
    "order-infinite": partial(seen, own={"sampler": INFINITE}, train_cfg=ITERS),
    "order-infinite-seed": partial(
        seen, own={"sampler": {**INFINITE, "seed": 7, "shuffle": False}}, train_cfg=ITERS
    ),
    "order-sampler-seed": partial(
        seen, own={"sampler": {"type": "DefaultSampler", "shuffle": True, "seed": 7}}
    ),
    "order-other-seed": partial(seen, own={"shuffle": True}, randomness={"seed": 5}),
    "order-batches-per-epoch": partial(seen, own={"num_batch_per_epoch": 2}),
    "order-batches-per-epoch-shuffled": partial(
        seen, own={"shuffle": True, "num_batch_per_epoch": 2}
    ),
}  # fmt: skip
