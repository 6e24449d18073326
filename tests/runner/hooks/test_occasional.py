"""Hooks that act now and then, and what they do there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch

from engine_dist import get_rank
from engine_dist.testing import ProcessPool
from engine_runner import Runner
from engine_runner.hooks import EmptyCacheHook, Hook, RunnerLike, SyncBuffersHook
from tests.runner.hooks.test_progress import look
from tests.runner.toys import run_cfg

RUNNER = cast(RunnerLike, object())
EPOCHS = {
    f"{when}_{mode}_epoch" for mode in ("train", "val", "test") for when in ("before", "after")
}
AFTER_EPOCHS = {point for point in EPOCHS if point.startswith("after")}
AFTER_ITERS = {"after_train_iter", "after_val_iter", "after_test_iter"}


class ByFallback(Hook):
    """Acts at iterations of any kind."""

    def _before_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, mode: str = "train"
    ) -> None:
        pass


@pytest.fixture
def emptied(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Return a list that grows whenever memory is given back to the accelerator that there seems to be."""
    calls: list[None] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append(None))
    return calls


@pytest.mark.parametrize(
    ("settings", "points"),
    [
        ({}, AFTER_EPOCHS),
        ({"before_epoch": True}, EPOCHS),
        ({"after_iter": True}, AFTER_EPOCHS | AFTER_ITERS),
        ({"after_epoch": False}, set()),
    ],
)
def test_when_memory_is_given_back(
    emptied: list[None], settings: dict[str, bool], points: set[str]
) -> None:
    hook = EmptyCacheHook(**settings)
    found = set()
    for point in hook.get_triggered_stages():
        count = len(emptied)
        getattr(hook, point)(RUNNER, **({"batch_idx": 0} if point.endswith("iter") else {}))
        if len(emptied) > count:
            found.add(point)
    assert found == points


def test_a_cpu_has_no_such_memory(tmp_path: Path) -> None:
    hook = {"type": "EmptyCacheHook", "after_iter": True}
    Runner(**run_cfg(tmp_path, custom_hooks=[hook], train_cfg={"max_epochs": 1})).train()


def planned(runner: Runner, point: str = "after") -> set[str]:
    """Return which hooks have a turn at each iteration or at some, once a run has trained."""
    plan: Any = runner.train_loop._iteration
    methods = plan._before if point == "before" else [method for method, _ in plan._after]
    return {type(method.__self__).__name__ for method in methods}


def trained(folder: Path, *hooks: Any, **changes: Any) -> Runner:
    runner = Runner(**run_cfg(folder, custom_hooks=hooks, train_cfg={"max_epochs": 1}, **changes))
    runner.train()
    return runner


def test_what_never_acts_at_iterations_has_no_turn(tmp_path: Path) -> None:
    by_epoch = trained(tmp_path / "a", EmptyCacheHook())
    assert not planned(by_epoch) & {"ParamSchedulerHook", "ProgressHook", "EmptyCacheHook"}
    by_iter = {"type": "ExponentialLR", "gamma": 0.9, "by_epoch": False}
    each = trained(
        tmp_path / "b", EmptyCacheHook(after_iter=True), ByFallback(), param_scheduler=by_iter
    )
    assert planned(each) >= {"ParamSchedulerHook", "EmptyCacheHook"}
    assert "ByFallback" in planned(each, "before")


def test_a_bar_has_a_turn_where_there_is_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(monkeypatch)
    assert "ProgressHook" in planned(trained(tmp_path))


def test_one_that_overrides_a_method_acts_at_each_iteration(tmp_path: Path) -> None:
    class Own(EmptyCacheHook):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def after_train_iter(
            self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
        ) -> None:
            self.count += 1

    hook = Own()
    trained(tmp_path, hook)
    assert hook.count == 3


def buffers(passes: list[str]) -> list[tuple[list[float], int]]:
    """Return the buffers of a process after each point of a run, set apart before each."""
    hook: Any = SyncBuffersHook()
    model = torch.nn.BatchNorm1d(2)
    runner: Any = type("Run", (), {"model": model})()
    found = []
    for point in passes:
        mean, count = model.running_mean, model.num_batches_tracked
        assert mean is not None
        assert count is not None
        mean.fill_(get_rank())
        count.fill_(1 + 3 * get_rank())
        getattr(hook, point)(runner)
        found.append((mean.tolist(), int(count)))
    return found


def test_buffers_are_the_mean_of_all_processes(pool2: ProcessPool) -> None:
    """As MMEngine's: a validation right after an epoch finds them equal, and leaves them."""
    points = ["before_val_epoch", "after_train_epoch", "before_val_epoch", "before_val_epoch"]
    equal = ([0.5, 0.5], 2)
    for rank, found in enumerate(pool2.run(buffers, points)):
        assert found == [equal, equal, ([rank, rank], 1 + 3 * rank), equal]


def test_buffers_of_one_process_stay() -> None:
    assert buffers(["before_val_epoch", "after_train_epoch"]) == [([0, 0], 1), ([0, 0], 1)]
