"""Averaged weights: validated, saved, and taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine_dist.checkpoint import StateMismatchError
from engine_runner import Runner
from engine_runner.hooks import EMAHook, Hook, RunnerLike
from tests.runner.test_resume import Stop, StopAt, every_iteration, same
from tests.runner.toys import run_cfg

EMA = {"type": "EMAHook", "momentum": 0.3}


class Watch(Hook):
    """Keeps the weights that are validated."""

    def __init__(self) -> None:
        self.validated: list[dict[str, Tensor]] = []

    def after_val_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        if batch_idx == 0:
            self.validated.append({k: v.clone() for k, v in runner.model.state_dict().items()})


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one)


def test_the_best_checkpoint_holds_the_averaged_weights(tmp_path: Path) -> None:
    watch = Watch()
    hooks = {"checkpoint": {"type": "CheckpointHook", "save_best": "error", "rule": "less"}}
    runner = Runner(**run_cfg(tmp_path, custom_hooks=[EMA, watch], default_hooks=hooks))
    runner.train()
    (best,) = tmp_path.glob("best_error_*.pth")
    saved = torch.load(best, weights_only=True)
    epoch = int(best.stem.rsplit("_", 1)[1])
    assert equal(saved["state_dict"], watch.validated[epoch - 1])
    last = torch.load(tmp_path / "epoch_4.pth", weights_only=True)
    assert equal(last["state_dict"], watch.validated[-1])
    trained = {f"module.{key}": value for key, value in runner.model.state_dict().items()}
    assert equal(trained, last["ema_state_dict"])
    assert not equal(runner.model.state_dict(), last["state_dict"])


@pytest.mark.parametrize("stop", [4, 6])
def test_a_resumed_run_trains_on_with_the_trained_weights(tmp_path: Path, stop: int) -> None:
    changes: dict[str, Any] = {"default_hooks": every_iteration()}
    unbroken, hook = Runner(**run_cfg(tmp_path / "a", **changes, custom_hooks=[EMA])), []
    unbroken.train()
    with pytest.raises(Stop):
        Runner(**run_cfg(tmp_path / "b", **changes, custom_hooks=[EMA, StopAt(stop)])).train()
    resumed = Runner(**run_cfg(tmp_path / "b", **changes, custom_hooks=[EMA], resume=True))
    resumed.train()
    assert same(resumed.model, unbroken.model)
    hook = [h for run in (resumed, unbroken) for h in run.hooks if isinstance(h, EMAHook)]
    assert same(hook[0].ema_model, hook[1].ema_model)


def test_a_test_is_of_the_averaged_weights(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"custom_hooks": [EMA]}
    runner = Runner(**run_cfg(tmp_path / "a", **changes))
    runner.train()
    assert runner.val() == runner.val()
    other = Runner(**run_cfg(tmp_path / "b", **changes, load_from=str(tmp_path / "a/epoch_4.pth")))
    assert other.val() == runner.val()
    plain = Runner(**run_cfg(tmp_path / "c", load_from=str(tmp_path / "a/epoch_4.pth")))
    assert plain.val() == runner.val()


class Updates(Hook):
    """Notes after each iteration whether the average is the model, and how often it was updated."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.noted: list[tuple[bool, int]] = []

    def after_train_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        average = averaging(runner).ema_model
        self.noted.append((same(average.module, runner.model), int(average.steps)))


def averaging(runner: Any) -> EMAHook:
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, EMAHook))
    return hook


@pytest.mark.parametrize(
    ("begin", "before"), [({"begin_iter": 5}, 4), ({"begin_epoch": 2}, 3), ({"begin_iter": 1}, 0)]
)
def test_averaging_begins_with_an_iteration_or_epoch(
    tmp_path: Path, begin: dict[str, int], before: int
) -> None:
    updates = Updates()
    Runner(**run_cfg(tmp_path, custom_hooks=[{**EMA, **begin}, updates])).train()
    # the first update takes the weights as they are
    expected = [(True, 0)] * before + [(True, 1)] + [(False, n) for n in range(2, 13 - before)]
    assert updates.noted == expected


@pytest.mark.parametrize("begin", [{"begin_iter": 13}, {"begin_epoch": 5}])
def test_averaging_that_would_not_begin(tmp_path: Path, begin: dict[str, int]) -> None:
    with pytest.raises(
        ValueError, match=r"begin_\w+=\d+ is behind the end of the training, (12|4)"
    ):
        Runner(**run_cfg(tmp_path, custom_hooks=[{**EMA, **begin}])).train()


@pytest.mark.parametrize("stop", [4, 7])
def test_the_count_of_updates_survives(tmp_path: Path, stop: int) -> None:
    hook = {"type": "EMAHook", "ema_type": "MomentumAnnealingEMA", "gamma": 5, "begin_iter": 3}
    changes: dict[str, Any] = {"default_hooks": every_iteration()}
    unbroken = Runner(**run_cfg(tmp_path / "a", **changes, custom_hooks=[hook]))
    unbroken.train()
    with pytest.raises(Stop):
        Runner(**run_cfg(tmp_path / "b", **changes, custom_hooks=[hook, StopAt(stop)])).train()
    updates = Updates()
    resumed = Runner(
        **run_cfg(tmp_path / "b", **changes, custom_hooks=[hook, updates], resume=True)
    )
    resumed.train()
    assert [count for _, count in updates.noted] == list(range(stop - 1, 11))
    states = [averaging(run).ema_model.state_dict() for run in (resumed, unbroken)]
    assert equal(*states)


class SaveInValidation(Hook):
    """Saves at some point of the second validation."""

    priority = "LOWEST"

    def __init__(self, point: str) -> None:
        setattr(self, point, self.save)
        self.point = point

    def save(self, runner: RunnerLike, *args: Any, **kwargs: Any) -> None:
        if runner.epoch == 2 and kwargs.get("batch_idx", 0) == 0:
            runner.save_checkpoint(runner.work_dir, "amid.pth")

    def before_val(self, runner: RunnerLike) -> None:
        pass

    def before_val_epoch(self, runner: RunnerLike) -> None:
        pass

    def after_val_iter(
        self, runner: RunnerLike, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        pass

    def after_val_epoch(self, runner: RunnerLike, metrics: dict[str, float] | None = None) -> None:
        pass


@pytest.mark.parametrize(
    "point", ["before_val", "before_val_epoch", "after_val_iter", "after_val_epoch"]
)
def test_going_on_from_what_was_saved_in_a_validation(tmp_path: Path, point: str) -> None:
    """The averaged weights are in the model then, or not: training goes on with the others."""
    unbroken = Runner(**run_cfg(tmp_path / "a", custom_hooks=[EMA, SaveInValidation(point)]))
    unbroken.train()
    saved = torch.load(tmp_path / "a" / "amid.pth", weights_only=True)
    assert not equal(
        {f"module.{key}": value for key, value in saved["state_dict"].items()},
        saved["ema_state_dict"],
    )
    cfg = run_cfg(tmp_path / "b", custom_hooks=[EMA], resume=True)
    resumed = Runner(**{**cfg, "load_from": str(tmp_path / "a" / "amid.pth")})
    resumed.train()
    assert same(resumed.model, unbroken.model)
    assert equal(*(averaging(run).ema_model.state_dict() for run in (resumed, unbroken)))


def test_going_on_from_the_best(tmp_path: Path) -> None:
    hooks = {"checkpoint": {"type": "CheckpointHook", "save_best": "error", "rule": "less"}}
    unbroken = Runner(**run_cfg(tmp_path / "a", custom_hooks=[EMA], default_hooks=hooks))
    unbroken.train()
    (best,) = (tmp_path / "a").glob("best_error_*.pth")
    assert best.stem != "best_error_epoch_4"  # there is something to go on with
    resumed = Runner(
        **run_cfg(tmp_path / "b", custom_hooks=[EMA], load_from=str(best), resume=True)
    )
    resumed.train()
    assert same(resumed.model, unbroken.model)
    assert equal(*(averaging(run).ema_model.state_dict() for run in (resumed, unbroken)))


@pytest.mark.parametrize("strict", [True, False])
def test_an_average_that_does_not_fit_in_all(tmp_path: Path, strict: bool) -> None:
    Runner(**run_cfg(tmp_path, custom_hooks=[EMA], train_cfg={"max_epochs": 2})).train()
    file = tmp_path / "epoch_2.pth"
    checkpoint = torch.load(file, weights_only=True)
    del checkpoint["ema_state_dict"]["steps"]
    torch.save(checkpoint, file)
    (tmp_path / "epoch_2.pth.sum").unlink(missing_ok=True)
    hook = {**EMA, "strict_load": strict}
    again = Runner(**run_cfg(tmp_path, custom_hooks=[hook], load_from=str(file), resume=True))
    if strict:
        with pytest.raises(StateMismatchError, match="steps"):
            again.train()
    else:
        again.train()
        assert int(averaging(again).ema_model.steps) == 6


def test_from_a_checkpoint_without_an_average(tmp_path: Path) -> None:
    Runner(**run_cfg(tmp_path, train_cfg={"max_epochs": 2})).train()
    resumed = Runner(**run_cfg(tmp_path, custom_hooks=[EMA], resume=True))
    resumed.train()
    (hook,) = (h for h in resumed.hooks if isinstance(h, EMAHook))
    assert int(hook.ema_model.steps) == 6
    assert not same(hook.ema_model.module, resumed.model)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="begin_iter=1, begin_epoch=1"):
        EMAHook(begin_iter=1, begin_epoch=1)
    with pytest.raises(TypeError, match="'BaseDataPreprocessor' is no BaseAveragedModel"):
        EMAHook(ema_type="BaseDataPreprocessor")
    with pytest.raises(RuntimeError, match="before a run begins"):
        EMAHook().ema_model  # noqa: B018  # what is tested
