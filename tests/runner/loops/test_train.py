"""Training by epochs and by iterations: what happens in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine_registry import LOOPS
from engine_runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from engine_runner.hooks import Hook, RunnerLike
from tests.runner.toys import ToyModel, run_cfg

# What MMEngine 0.10.7 does with 3 batches an epoch: b and a are before and after the epoch of that
# number, 3/0 is the iteration 3 with the batch 0, v2,6 a validation after 2 epochs, 6 iterations.
RECORDED: list[tuple[dict[str, Any], int, str]] = [
    (
        {"max_epochs": 3},
        0,
        "b0 0/0 1/1 2/2 a0 v1,3 b1 3/0 4/1 5/2 a1 v2,6 b2 6/0 7/1 8/2 a2 v3,9",
    ),
    (
        {"max_epochs": 5, "val_interval": 2},
        0,
        "b0 0/0 1/1 2/2 a0 b1 3/0 4/1 5/2 a1 v2,6 b2 6/0 7/1 8/2 a2 b3 9/0 10/1 11/2 a3 v4,12 "
        "b4 12/0 13/1 14/2 a4 v5,15",
    ),
    (
        {"max_epochs": 4, "val_begin": 3},
        0,
        "b0 0/0 1/1 2/2 a0 b1 3/0 4/1 5/2 a1 b2 6/0 7/1 8/2 a2 v3,9 b3 9/0 10/1 11/2 a3 v4,12",
    ),
    (
        {"max_epochs": 6, "val_interval": 3, "dynamic_intervals": [(5, 1)]},
        0,
        "b0 0/0 1/1 2/2 a0 b1 3/0 4/1 5/2 a1 b2 6/0 7/1 8/2 a2 v3,9 b3 9/0 10/1 11/2 a3 "
        "v4,12 b4 12/0 13/1 14/2 a4 v5,15 b5 15/0 16/1 17/2 a5 v6,18",
    ),
    ({"max_epochs": 4}, 4, "b0 0/0 1/1 2/2 a0 v1,3 b1 3/0 4/1 5/2 a1 v2,6"),
    ({"max_epochs": 0}, 0, ""),
    (
        {"max_iters": 7, "val_interval": 3},
        0,
        "b0 0/0 1/1 2/2 v0,3 3/3 4/4 5/5 v0,6 6/6 v0,7 a0",
    ),
    (
        {"max_iters": 8, "val_begin": 5, "val_interval": 2},
        0,
        "b0 0/0 1/1 2/2 3/3 4/4 5/5 v0,6 6/6 7/7 v0,8 a0",
    ),
    (
        {"max_iters": 10, "val_interval": 4, "dynamic_intervals": [(5, 2)]},
        0,
        "b0 0/0 1/1 2/2 3/3 v0,4 4/4 5/5 v0,6 6/6 7/7 v0,8 8/8 9/9 v0,10 a0",
    ),
    ({"max_iters": 12, "val_interval": 3}, 4, "b0 0/0 1/1 2/2 v0,3 3/3 a0"),
]


class Watch(Hook):
    """Notes what happens, and stops the training after some iterations."""

    def __init__(self, stop: int = 0) -> None:
        self.stop = stop
        self.seen: list[str] = []

    def before_train_epoch(self, runner: RunnerLike) -> None:
        self.seen.append(f"b{runner.epoch}")

    def after_train_epoch(self, runner: RunnerLike) -> None:
        self.seen.append(f"a{runner.epoch}")

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.seen.append(f"{runner.iter}/{batch_idx}")
        if runner.iter + 1 == self.stop:
            runner.train_loop.stop_training = True

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        self.seen.append(f"v{runner.epoch},{runner.iter}")


def trained(folder: Path, **changes: Any) -> Runner:
    cfg = run_cfg(folder, param_scheduler=None, **changes)
    cfg.setdefault("default_hooks", {})
    cfg["default_hooks"] = {**cfg["default_hooks"], "checkpoint": None}
    runner = Runner(**cfg)
    runner.train()
    return runner


@pytest.mark.parametrize(("train_cfg", "stop", "expected"), RECORDED)
def test_the_order_of_a_run(
    tmp_path: Path, train_cfg: dict[str, Any], stop: int, expected: str
) -> None:
    watch = Watch(stop)
    trained(tmp_path, train_cfg=train_cfg, custom_hooks=[watch])
    assert " ".join(watch.seen) == expected


@pytest.mark.parametrize(
    ("train_cfg", "kind", "limits"),
    [
        ({"max_epochs": 2}, EpochBasedTrainLoop, (2, 6)),
        ({"by_epoch": True, "max_epochs": 2}, EpochBasedTrainLoop, (2, 6)),
        ({"type": "EpochBasedTrainLoop", "max_epochs": 2.0}, EpochBasedTrainLoop, (2, 6)),
        ({"max_iters": 4}, IterBasedTrainLoop, (1, 4)),
        ({"by_epoch": False, "max_iters": 4}, IterBasedTrainLoop, (1, 4)),
    ],
)
def test_which_loop_and_how_far(
    tmp_path: Path, train_cfg: dict[str, Any], kind: type, limits: tuple[int, int]
) -> None:
    runner = Runner(**run_cfg(tmp_path, train_cfg=train_cfg))
    # nothing is built before it is asked for
    assert (runner.max_epochs, runner.max_iters) == (0, 0)
    assert type(runner.train_loop) is kind
    assert (runner.max_epochs, runner.max_iters) == limits
    assert (runner.max_epochs, runner.max_iters) == limits
    assert (runner.epoch, runner.iter) == (0, 0)


def test_every_pass_of_an_iteration_based_run_has_an_order_of_its_own(tmp_path: Path) -> None:
    runner = trained(tmp_path, train_cfg={"max_iters": 6})
    assert isinstance(runner.model, ToyModel)
    seen = [index for batch in runner.model.seen for index in batch]
    first, second = seen[:12], seen[12:]
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


def test_the_model_trains_again_after_a_validation(tmp_path: Path) -> None:
    modes: list[bool] = []

    class Modes(Hook):
        def before_train_iter(
            self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
        ) -> None:
            modes.append(runner.model.training)

        def before_val_iter(
            self, runner: RunnerLike, batch_idx: int, data_batch: Any = None
        ) -> None:
            modes.append(not runner.model.training)

    for train_cfg in ({"max_epochs": 2}, {"max_iters": 4, "val_interval": 2}):
        trained(tmp_path, train_cfg=train_cfg, custom_hooks=[Modes()])
    assert len(modes) == 22
    assert all(modes)


@pytest.mark.parametrize("key", ["max_epochs", "max_iters"])
@pytest.mark.parametrize("value", [1.5, -1, "three", None])
def test_what_is_no_number_of_epochs_or_iterations(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{key} must be a whole number.*got {value!r}"):
        _ = Runner(**run_cfg(tmp_path, train_cfg={key: value})).train_loop


@pytest.mark.parametrize("train_cfg", [{"max_epochs": 2}, {"max_iters": 2}])
def test_a_loader_without_a_batch(tmp_path: Path, train_cfg: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the training data loader gives no batch"):
        trained(tmp_path, train_cfg=train_cfg, train_dataloader=[])


def test_a_loader_without_a_length(tmp_path: Path) -> None:
    batch = {"inputs": torch.ones(1, 2), "heights": torch.ones(1, 1), "index": torch.zeros(1)}

    class Endless:
        def __iter__(self) -> Any:
            while True:
                yield batch

    runner = trained(tmp_path / "a", train_cfg={"max_iters": 5}, train_dataloader=Endless())
    assert runner.iter == 5
    with pytest.raises(TypeError, match=r"cannot say how many.*max_iters"):
        trained(tmp_path / "b", train_cfg={"max_epochs": 5}, train_dataloader=Endless())


def test_a_loop_of_ones_own(tmp_path: Path) -> None:
    class Twice(EpochBasedTrainLoop):
        def run_iter(self, idx: int, data_batch: Any) -> None:
            super().run_iter(idx, data_batch)
            super().run_iter(idx, data_batch)

    with_name = {"type": "TwiceLoop", "max_epochs": 1}
    LOOPS.register_module(name="TwiceLoop", module=Twice)
    try:
        runner = trained(tmp_path, train_cfg=with_name)
    finally:
        LOOPS.module_dict.pop("TwiceLoop")
    assert isinstance(runner.model, ToyModel)
    assert len(runner.model.seen) == 6


def test_what_is_no_training_loop(tmp_path: Path) -> None:
    cfg = run_cfg(tmp_path, train_cfg={"type": "ValLoop", "evaluator": {"type": "ToyError"}})
    with pytest.raises(
        TypeError, match="train_cfg names ValLoop, which is no training loop: it has no epoch"
    ):
        Runner(**cfg).train()
