"""Training that ends when its time is up, and intervals of its hooks in seconds and tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine_dist import get_rank
from engine_dist.testing import ProcessPool
from engine_registry import HOOKS, LOOPS
from engine_runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from engine_runner.hooks import CheckpointHook
from engine_runner.loops.time_limit import seconds_of
from tests.runner.hooks.test_checkpoint import files
from tests.runner.hooks.test_stopped import StopTraining
from tests.runner.loops.test_train import Watch
from tests.runner.test_resume import same
from tests.runner.toys import run_cfg


class TenSecondsEach:
    """A clock by which an iteration takes ten seconds, and on other ranks none knows what."""

    progress: Any

    def clock(self) -> float:
        done: int = self.progress.iter
        return 1e6 - 1e4 * done if get_rank() else 10.0 * done


@LOOPS.register_module()
class TimedEpochs(TenSecondsEach, EpochBasedTrainLoop):
    """Three iterations an epoch, ten seconds each."""


@LOOPS.register_module()
class TimedIterations(TenSecondsEach, IterBasedTrainLoop):
    """Ten seconds each."""


@HOOKS.register_module()
class TimedCheckpoints(CheckpointHook[Any]):
    """Counts the seconds of the loop."""

    def before_train(self, runner: Runner) -> None:
        self._loop = runner.train_loop
        super().before_train(runner)

    def clock(self) -> float:
        seconds: float = self._loop.clock()
        # the iteration that ends is not counted yet
        return seconds + (10 if self._loop.progress.ending else 0)


def trained(folder: Path | str, hook: dict[str, Any], **changes: Any) -> Runner:
    hooks = {"checkpoint": {"type": "TimedCheckpoints", **hook}}
    cfg = run_cfg(Path(folder), **{"default_hooks": hooks, **changes})
    runner = Runner(**cfg)
    runner.train()
    return runner


EPOCHS = {"type": "TimedEpochs", "max_epochs": 4}
ITERS = {"type": "TimedIterations", "max_iters": 12, "val_interval": 4}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90), (0.5, 0.5), ("00:01:30", 90), ("1:00:00", 3600), ("100:00:00", 360_000),
        ("02:03:04:05", 2 * 86400 + 3 * 3600 + 4 * 60 + 5), (" 00:00:01 ", 1),
    ],
)  # fmt: skip
def test_forms_of_a_time(value: Any, seconds: float) -> None:
    assert seconds_of(value) == seconds


@pytest.mark.parametrize(
    "value",
    [0, -1, True, "soon", "90", "01:30", "00:61:00", "00:00:00", "1:2:3:4:5", float("inf")],
)
def test_what_is_no_time(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ValueError, match=r"max_time takes seconds, 'hh:mm:ss' or .*got"):
        Runner(**run_cfg(tmp_path, train_cfg={**EPOCHS, "max_time": value})).train()


@pytest.mark.parametrize(
    ("train_cfg", "by_epoch", "left", "seen"),
    [
        # amid the second epoch; the time is up before a validation that is due
        (EPOCHS, True, ["epoch_1.pth", "epoch_1_iter_5.pth"], "b0 0/0 1/1 2/2 a0 v1,3 b1 3/0 4/1"),
        (EPOCHS, False, ["iter_5.pth"], "b0 0/0 1/1 2/2 a0 v1,3 b1 3/0 4/1"),
        (ITERS, False, ["iter_5.pth"], "b0 0/0 1/1 2/2 3/3 v0,4 4/4 a0"),
    ],
)
@pytest.mark.parametrize("limit", [50, "00:00:50"])
def test_an_end_in_time_and_what_goes_on(
    tmp_path: Path, train_cfg: Any, by_epoch: bool, left: list[str], seen: str, limit: Any
) -> None:
    hook = {"interval": 1 if by_epoch else 100, "by_epoch": by_epoch}
    watch = Watch()
    limited = {"train_cfg": {**train_cfg, "max_time": limit}}
    trained(tmp_path / "a", hook, custom_hooks=[watch], **limited)
    assert " ".join(watch.seen) == seen
    assert files(tmp_path / "a") == left
    newest = Path((tmp_path / "a/last_checkpoint").read_text())
    assert torch.load(newest, weights_only=True)["meta"]["iter"] == 5
    # a run that is resumed has as much time again: 5 iterations, then the last 2
    runs = [trained(tmp_path / "a", hook, resume=True, **limited) for _ in range(2)]
    assert [run.iter for run in runs] == [10, 12]
    whole = trained(tmp_path / "b", hook, train_cfg=train_cfg)
    assert same(runs[-1].model, whole.model)


def test_checkpoints_amid_an_epoch_count_for_the_limit(tmp_path: Path) -> None:
    hook = {"interval": 1, "max_keep_ckpts": 1}
    limited = {"train_cfg": {**EPOCHS, "max_time": 40}}
    kept = []
    for _ in range(3):
        trained(tmp_path, hook, resume=True, **limited)
        kept.append(files(tmp_path))
    assert kept == [["epoch_1_iter_4.pth"], ["epoch_2_iter_8.pth"], ["epoch_4.pth"]]


def test_without_save_last_nothing_more_is_saved(tmp_path: Path) -> None:
    hook = {"interval": 1, "save_last": False}
    trained(tmp_path, hook, train_cfg={**EPOCHS, "max_time": 50})
    assert files(tmp_path) == ["epoch_1.pth"]


def test_a_time_that_is_up_at_the_end_changes_nothing(tmp_path: Path) -> None:
    watch = Watch()
    trained(tmp_path, {}, train_cfg={**ITERS, "max_time": 120}, custom_hooks=[watch])
    assert watch.seen[-2:] == ["v0,12", "a0"]


@pytest.mark.parametrize("by_epoch", [True, False])
@pytest.mark.parametrize("train_cfg", [EPOCHS, ITERS])
def test_checkpoints_by_seconds(tmp_path: Path, train_cfg: Any, by_epoch: bool) -> None:
    hook = {"interval": {"n": 45, "unit": "seconds"}, "by_epoch": by_epoch, "save_last": False}
    trained(tmp_path, hook, train_cfg=train_cfg)
    # after 50 and 90 seconds; by an interval in seconds, names count iterations
    assert files(tmp_path) == ["iter_5.pth", "iter_9.pth"]


def test_checkpoints_by_samples(tmp_path: Path) -> None:
    hook = {"interval": {"n": 10, "unit": "samples"}, "save_last": False, "max_keep_ckpts": 3}
    trained(tmp_path, hook, train_cfg=EPOCHS)  # of 4 samples a batch
    assert files(tmp_path) == ["iter_10.pth", "iter_5.pth", "iter_8.pth"]


def test_checkpoints_by_tokens_go_on_where_a_run_was(tmp_path: Path) -> None:
    # 8 numbers a batch
    hook = {"interval": {"n": 44, "unit": "tokens"}, "save_last": False}
    limit = {**EPOCHS, "token_key": "inputs"}
    stop = StopTraining(9)  # and the epoch's end
    trained(tmp_path / "a", {**hook, "save_last": True}, train_cfg=limit, custom_hooks=[stop])
    assert files(tmp_path / "a") == ["iter_6.pth", "iter_9.pth"]
    trained(tmp_path / "a", hook, train_cfg=limit, resume=True)
    assert files(tmp_path / "a") == ["iter_11.pth", "iter_6.pth", "iter_9.pth"]


def test_a_batch_without_tokens(tmp_path: Path) -> None:
    hook = {"interval": {"n": 44, "unit": "tokens"}}
    with pytest.raises(KeyError, match=r"token_key=.input_ids. names no entry of .*inputs"):
        trained(tmp_path, hook, train_cfg=EPOCHS)


def train_in_time(folder: str) -> int:
    hook = {"interval": {"n": 20, "unit": "seconds"}, "max_keep_ckpts": 2}
    cfg = {
        "launcher": "pytorch", "train_cfg": {**EPOCHS, "max_epochs": 100, "max_time": 70},
        "val_dataloader": None, "val_evaluator": None, "val_cfg": None,
    }  # fmt: skip
    return trained(folder, hook, **cfg).iter


def test_ranks_whose_clocks_differ_end_together(pool2: ProcessPool, tmp_path: Path) -> None:
    assert pool2.run(train_in_time, str(tmp_path), timeout=300) == [7, 7]
    assert files(tmp_path) == ["iter_6.pth", "iter_7.pth"]
