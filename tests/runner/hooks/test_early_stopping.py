"""A training that ends when a metric gets no better, and where a resumed one ends."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine_evaluator import BaseMetric
from engine_runner import Runner
from engine_runner.hooks import EarlyStoppingHook, Patience
from tests.runner.test_resume import Stop, StopAt, every_iteration, same
from tests.runner.toys import run_cfg

# the toy's errors: 1.95 1.21 3.41 0.65 1.38 0.59 …, of which by 0.7 the first two alone are better
STOP = {"type": "EarlyStoppingHook", "monitor": "error", "rule": "less", "min_delta": 0.7}
AT_SIX: dict[str, Any] = {
    "train_cfg": {"max_epochs": 9},
    "custom_hooks": [{**STOP, "patience": 4}],
}


class Written(BaseMetric):
    """Measures what was written down before."""

    def __init__(self, *values: dict[str, Any]) -> None:
        super().__init__()
        self.values = iter(values)

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        return next(self.values)


def stopping(runner: Runner) -> EarlyStoppingHook:
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook))
    return hook


def judged(scores: list[float], **settings: Any) -> list[float]:
    """Return the scores up to the one that is enough."""
    patience = Patience(**{"rule": "greater", **settings})
    for count, score in enumerate(scores, start=1):
        if patience.judge(score):
            return scores[:count]
    return scores


@pytest.mark.parametrize(
    ("scores", "settings", "count"),
    [
        ([0.5] * 9, {}, 6),
        ([0.5] * 9, {"limit": 1}, 2),
        ([0.5] * 9, {"limit": 0}, 2),
        ([0.5] * 9, {"limit": 0, "min_delta": 0}, 9),  # as good is no worse
        ([0.1, 0.3, 0.35, 0.25, 0.6], {"limit": 2}, 4),
        ([0.0, 0.5, 1.0, 1.5, 1.9, 1.9], {"limit": 2, "min_delta": 0.5}, 6),
        ([9, 7, 5, 5, 5], {"limit": 2, "rule": "less"}, 5),
        ([0.1, 0.2, 0.3, 0.4], {"threshold": 0.3}, 4),
        ([9, 7, 5, 2, 1], {"threshold": 5, "rule": "less"}, 4),
        ([0.1, nan, 0.9], {}, 2),
        ([0.1, inf, 0.9], {}, 2),
        ([0.1, nan, 0.9, nan, nan, 0.9], {"limit": 2, "check_finite": False}, 5),
    ],
)
def test_after_how_many_it_is_enough(
    scores: list[float], settings: dict[str, Any], count: int
) -> None:
    assert len(judged(scores, **settings)) == count


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 1.0]), min_size=1, max_size=12),
    st.integers(1, 3), st.sampled_from(["greater", "less"]), st.data(),
)  # fmt: skip
def test_going_on_from_a_state(scores: list[float], limit: int, rule: Any, data: Any) -> None:
    whole, first, second = (Patience(rule, limit, 0.25) for _ in range(3))
    cut = data.draw(st.integers(0, len(scores)))
    expected = [whole.judge(score) for score in scores]
    found = [first.judge(score) for score in scores[:cut]]
    second.load_state_dict(first.state_dict())
    assert [*found, *(second.judge(score) for score in scores[cut:])] == expected
    assert second.worn_out == whole.worn_out


def test_a_training_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner = Runner(**run_cfg(tmp_path, **{**AT_SIX, "log_level": "INFO"}))
    runner.train()
    assert (runner.epoch, stopping(runner).wait_count) == (6, 4)
    assert stopping(runner).best_score == pytest.approx(1.208, abs=1e-3)
    assert "by error: the last 4 measurements were no better than 1.208" in capsys.readouterr().out


@pytest.mark.parametrize("stop", [2, 6, 8, 13, 17])
def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path: Path, stop: int) -> None:
    changes: dict[str, Any] = {**AT_SIX, "default_hooks": every_iteration()}
    unbroken = Runner(**run_cfg(tmp_path / "a", **changes))
    unbroken.train()
    assert unbroken.epoch == 6
    broken = {**changes, "custom_hooks": [*changes["custom_hooks"], StopAt(stop)]}
    with pytest.raises(Stop):
        Runner(**run_cfg(tmp_path / "b", **broken)).train()
    resumed = Runner(**run_cfg(tmp_path / "b", **changes, resume=True))
    resumed.train()
    assert (resumed.epoch, resumed.iter) == (6, 18)
    assert same(resumed.model, unbroken.model)
    assert stopping(resumed).state_dict() == stopping(unbroken).state_dict()


@pytest.mark.parametrize("epoch", [2, 4, 6])
def test_going_on_from_the_best(tmp_path: Path, epoch: int) -> None:
    """It is saved in a validation, before the hook has its turn."""
    best = {"type": "CheckpointHook", "save_best": "error", "rule": "less", "interval": 1}
    first = {**AT_SIX, "train_cfg": {"max_epochs": epoch}}
    Runner(**run_cfg(tmp_path / "a", **first, default_hooks={"checkpoint": best})).train()
    start = tmp_path / "a" / f"best_error_epoch_{epoch}.pth"
    resumed = Runner(**run_cfg(tmp_path / "b", **AT_SIX, load_from=str(start), resume=True))
    resumed.train()
    assert (resumed.epoch, stopping(resumed).wait_count) == (6, 4)


def test_what_was_ended_goes_on_with_more_patience(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seldom = {**AT_SIX, "default_hooks": {"checkpoint": {"type": "CheckpointHook", "interval": 4}}}
    Runner(**run_cfg(tmp_path, **seldom)).train()  # is saved as it ends, after its validation
    again = Runner(**run_cfg(tmp_path, **{**seldom, "log_level": "INFO"}, resume=True))
    again.train()
    assert again.iter == 18
    assert "to go on, give EarlyStoppingHook more patience" in capsys.readouterr().out
    more = {**AT_SIX, "custom_hooks": [{**STOP, "patience": 6}]}
    longer = Runner(**run_cfg(tmp_path, **more, resume=True))
    longer.train()
    assert longer.epoch == 9


def test_a_validation_by_hand_counts_for_nothing(tmp_path: Path) -> None:
    runner = Runner(**run_cfg(tmp_path, **AT_SIX))
    runner.train()
    known = stopping(runner).state_dict()
    runner.val()
    assert stopping(runner).state_dict() == known


def test_a_metric_that_is_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hook = {**STOP, "monitor": "errors", "patience": 1}
    runner = Runner(**run_cfg(tmp_path / "a", custom_hooks=[hook], log_level="WARNING"))
    runner.train()
    assert runner.epoch == 4
    told = capsys.readouterr().out
    assert (
        told.count(
            "'errors' is passed over: it is not among the metrics of the validation: error; did you mean 'error'?"
        )
        == 1
    )
    with pytest.raises(RuntimeError, match=r"'errors' is not among the metrics.*strict=False"):
        Runner(**run_cfg(tmp_path / "b", custom_hooks=[{**hook, "strict": True}])).train()


@pytest.mark.parametrize("value", [torch.tensor(0.5), True, 1])
def test_numbers_of_any_kind(tmp_path: Path, value: Any) -> None:
    cfg = run_cfg(tmp_path, custom_hooks=[{**STOP, "monitor": "acc", "patience": 1}])
    runner = Runner(**{**cfg, "val_evaluator": Written({"acc": value}, {"acc": value})})
    runner.train()
    assert runner.epoch == 2


def test_what_is_no_number(tmp_path: Path) -> None:
    cfg = run_cfg(tmp_path, custom_hooks=[{**STOP, "monitor": "acc"}])
    with pytest.raises(TypeError, match="compares numbers, and acc is 'high'"):
        Runner(**{**cfg, "val_evaluator": Written({"acc": "high"})}).train()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="'greater' or 'less', got 'more'"):
        EarlyStoppingHook("acc", rule="more")  # type: ignore[arg-type]  # what a user may write
    with pytest.raises(ValueError, match="'speed' is better cannot be told"):
        EarlyStoppingHook("speed")


def test_a_loop_that_cannot_be_ended(tmp_path: Path) -> None:
    runner = Runner(**run_cfg(tmp_path, custom_hooks=[STOP]))
    del runner.train_loop.stop_training
    with pytest.raises(TypeError, match=r"stop_training, which EpochBasedTrainLoop has not"):
        runner.train()
