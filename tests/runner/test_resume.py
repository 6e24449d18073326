"""A run that was stopped and goes on ends where an unbroken one does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine_runner import Runner
from engine_runner.hooks import Hook, RunnerLike
from engine_runner.visualization import LocalVisBackend
from tests.runner.toys import loader, loader_cfg, run_cfg, stream_cfg


class Stop(Exception):  # noqa: N818  # no error
    """Raised in the middle of a run."""


class StopAt(Hook):
    """Ends a run after so many iterations."""

    priority = "LOWEST"

    def __init__(self, iterations: int) -> None:
        self.iterations = iterations

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if runner.iter + 1 == self.iterations:
            raise Stop


def every_iteration(**changes: Any) -> dict[str, Any]:
    hook = {"type": "CheckpointHook", "interval": 1, "by_epoch": False}
    return {"checkpoint": hook, "logger": {"type": "LoggerHook", "interval": 1}}


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("stop", [1, 3, 4, 6, 11])
@pytest.mark.parametrize("by_epoch", [True, False, "stream"])
def test_resumed_equals_unbroken(tmp_path: Path, stop: int, by_epoch: bool | str) -> None:
    train_cfg = {"max_epochs": 4} if by_epoch is True else {"max_iters": 12, "val_interval": 3}
    changes: dict[str, Any] = {"train_cfg": train_cfg, "default_hooks": every_iteration()}
    if by_epoch == "stream":
        changes["train_dataloader"] = stream_cfg(size=18)  # the fifth batch has two samples
    unbroken = Runner(**run_cfg(tmp_path / "whole", **changes))
    unbroken.train()
    broken = Runner(**run_cfg(tmp_path / "broken", **changes, custom_hooks=[StopAt(stop)]))
    with pytest.raises(Stop):
        broken.train()
    resumed = Runner(**run_cfg(tmp_path / "broken", **changes, resume=True))
    resumed.train()
    assert resumed.iter == 12
    assert same(resumed.model, unbroken.model)
    seen = [*broken.model.seen, *resumed.model.seen]  # type: ignore[misc]  # the toy's own list
    assert seen == unbroken.model.seen


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("data", [loader_cfg, loader], ids=["seekable", "read past"])
def test_resumed_from_an_epoch_equals_unbroken(
    tmp_path: Path, epochs: int, data: Callable[..., Any]
) -> None:
    def run(folder: str, **changes: Any) -> Runner:
        return Runner(**run_cfg(tmp_path / folder, train_dataloader=data(shuffle=True), **changes))

    unbroken = run("whole")
    unbroken.train()
    broken = run("broken", custom_hooks=[StopAt(3 * epochs + 2)])  # in the epoch after
    with pytest.raises(Stop):
        broken.train()
    resumed = run("broken", resume=True)
    resumed.train()
    assert (resumed.epoch, resumed.iter) == (4, 12)
    assert same(resumed.model, unbroken.model)
    assert resumed.model.seen == unbroken.model.seen[3 * epochs :]  # type: ignore[index]  # as above
    assert resumed.optim_wrapper.get_lr() == unbroken.optim_wrapper.get_lr()


def test_nothing_to_resume_from_starts_anew(tmp_path: Path) -> None:
    runner = Runner(**run_cfg(tmp_path, resume=True))
    runner.train()
    assert runner.iter == 12


def test_weights_alone_are_no_training_state(tmp_path: Path) -> None:
    first = Runner(**run_cfg(tmp_path / "a"))
    first.train()
    torch.save({"state_dict": first.model.state_dict()}, tmp_path / "weights.pth")
    changes: dict[str, Any] = {"load_from": str(tmp_path / "weights.pth")}
    with pytest.raises(ValueError, match=r"no training state.*load_from"):
        Runner(**run_cfg(tmp_path / "b", **changes, resume=True)).train()
    runner = Runner(
        **run_cfg(tmp_path / "c", **changes, train_cfg={"max_epochs": 0}, param_scheduler=None)
    )
    runner.train()
    assert same(runner.model, first.model)


def test_other_schedules_than_the_checkpoint_holds(tmp_path: Path) -> None:
    Runner(**run_cfg(tmp_path)).train()
    with pytest.raises(ValueError, match="1 parameter schedulers and this run has 0"):
        Runner(**run_cfg(tmp_path, resume=True, param_scheduler=None)).train()


def test_the_newest_checkpoint_is_cut_off(tmp_path: Path) -> None:
    Runner(**run_cfg(tmp_path)).train()
    newest = tmp_path / "epoch_4.pth"
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = Runner(**run_cfg(tmp_path, resume=True, log_level="WARNING"))
    resumed.train()
    assert resumed.iter == 12
    assert torch.load(newest, weights_only=True)["meta"]["iter"] == 12
    assert "going on from the newest whole checkpoint" in Path(resumed.logger.log_file).read_text()  # type: ignore[arg-type]  # the main process writes one


class SlowBackend(LocalVisBackend):
    """Takes its time, as a disk does, so that rows wait."""

    def add_scalars(self, *args: Any, **kwargs: Any) -> None:
        time.sleep(0.05)
        super().add_scalars(*args, **kwargs)


class Rows(Hook):
    """Counts the rows that are in the file when a checkpoint is there."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.found: list[tuple[int, int]] = []

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        (file,) = Path(runner.work_dir).glob("*/vis_data/scalars.json")
        text = file.read_text()
        self.found.append((runner.iter + 1, sum("loss" in row for row in text.splitlines())))


def test_what_was_logged_is_there_before_the_checkpoint(tmp_path: Path) -> None:
    rows = Rows()
    visualizer = {"type": "Visualizer", "vis_backends": [{"type": SlowBackend}]}
    changes = {"default_hooks": every_iteration(), "custom_hooks": [rows]}
    Runner(**run_cfg(tmp_path, **changes, visualizer=visualizer)).train()
    assert all(written >= done for done, written in rows.found)
