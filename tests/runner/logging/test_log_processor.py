"""Lines and dicts of a run's scalars, as MMEngine 0.10.7 gives them for the same numbers."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from engine_runner.logging import LogProcessor, MessageHub

_names = itertools.count()


def runner() -> Any:
    """Give a run after 11 iterations that has reported the same numbers as the recorded one."""
    hub = MessageHub.get_instance(f"log-processor-{next(_names)}")
    for i in range(1, 13):
        hub.update_scalars(
            {
                "train/loss": i * 0.5,
                "train/lr": 0.1 / i,
                "train/acc": i / 12,
                "train/time": 0.25,
                "train/data_time": 0.125,
                "train/loss_cls": i * 0.25,
            }
        )
    for i in range(1, 5):
        hub.update_scalars({"val/time": i * 0.5, "val/data_time": i * 0.25})
    hub.update_scalar("val/error", 0.75)
    hub.update_scalars({"test/hits": 12, "test/time": 0.5})
    hub.update_info("eta", 3725.9)
    hub.update_info("val/note", ["a", "b"])
    five, four = (SimpleNamespace(dataloader=[0] * n) for n in (5, 4))
    return SimpleNamespace(
        message_hub=hub, epoch=2, iter=11, max_epochs=10, max_iters=200,
        train_loop=five, val_loop=four, test_loop=four,
    )  # fmt: skip


CUSTOM = [
    {
        "data_src": "loss",
        "method_name": "mean",
        "log_name": "loss_epoch",
        "window_size": "epoch",
    },
    {
        "data_src": "loss",
        "method_name": "max",
        "log_name": "loss_max",
        "window_size": "global",
    },
    {"data_src": "acc", "method_name": "mean", "window_size": 3},
]
HEAD = "Epoch(train)  [3][2/5]  lr: 8.3333e-03  eta: 1:02:05  time: 0.2500  data_time: 0.1250  "
RECORDED: list[tuple[dict[str, Any], str]] = [
    ({}, f"{HEAD}loss: 3.7500  acc: 1.0000  loss_cls: 1.8750"),
    ({"window_size": 4}, f"{HEAD}loss: 5.2500  acc: 1.0000  loss_cls: 2.6250"),
    (
        {"by_epoch": False},
        "Iter(train) [ 12/200]  lr: 8.3333e-03  eta: 1:02:05  time: 0.2500  data_time: 0.1250  "
        "loss: 3.7500  acc: 1.0000  loss_cls: 1.8750",
    ),
    (
        {"custom_cfg": CUSTOM},
        f"{HEAD}loss: 3.7500  acc: 0.9167  loss_cls: 1.8750  loss_epoch: 5.7500  loss_max: 6.0000",
    ),
    (
        {"num_digits": 2, "log_with_hierarchy": True},
        "Epoch(train)  [3][2/5]  lr: 8.33e-03  eta: 1:02:05  time: 0.25  data_time: 0.12  "
        "loss: 3.75  acc: 1.00  loss_cls: 1.88",
    ),
    ({"mean_pattern": r".*acc.*"}, f"{HEAD}loss: 6.0000  acc: 0.6250  loss_cls: 3.0000"),
]


@pytest.mark.parametrize(("settings", "line"), RECORDED)
def test_recorded_lines(settings: dict[str, Any], line: str) -> None:
    assert LogProcessor(**settings).get_log_after_iter(runner(), 1, "train")[1] == line


def test_recorded_lines_of_a_validation() -> None:
    tag, line = LogProcessor().get_log_after_iter(runner(), 1, "val")
    # MMEngine counts the iteration that was not trained, too, and ends the line as it does others
    assert line == "Epoch(val)  [2][2/4]    eta: 1:02:05  time: 1.2500  data_time: 0.6250  "
    assert (tag["epoch"], tag["iter"]) == (2, 12)


def test_recorded_scalars() -> None:
    tag, _ = LogProcessor().get_log_after_iter(runner(), 1, "train")
    assert tag == {
        "loss": 3.75, "lr": 0.1 / 12, "acc": 1.0, "time": 0.25, "data_time": 0.125,
        "loss_cls": 1.875, "epoch": 3, "iter": 12,
    }  # fmt: skip
    tag, _ = LogProcessor(log_with_hierarchy=True).get_log_after_epoch(runner(), 4, "val")
    assert tag == {"val/error": 0.75, "val/time": 1.25, "val/data_time": 0.625}


def test_what_a_validation_measured() -> None:
    processor = LogProcessor()
    tag, line = processor.get_log_after_epoch(runner(), 4, "val", with_non_scalar=True)
    assert tag == {"error": 0.75, "note": ["a", "b"], "time": 1.25, "data_time": 0.625}
    assert line == (
        "Epoch(val) [2][4/4]    error: 0.7500  note: ['a', 'b']  time: 1.2500  data_time: 0.6250"
    )
    _, line = LogProcessor(log_with_hierarchy=True).get_log_after_epoch(runner(), 4, "test")
    assert line == "Epoch(test) [4/4]    test/hits: 12  test/time: 0.5000"
    with pytest.raises(ValueError, match="mode must be 'val' or 'test'"):
        processor.get_log_after_epoch(runner(), 4, "train")


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"window_size": 0}, ValueError, "window_size must be a positive int, got 0"),
        ({"custom_cfg": [{"data_src": "loss"}]}, ValueError, "lacks method_name"),
        ({"custom_cfg": [CUSTOM[0], CUSTOM[0]]}, ValueError, "two statistics have the name"),
        ({"custom_cfg": [CUSTOM[0]], "by_epoch": False}, ValueError, "needs by_epoch=True"),
        ({"custom_cfg": 3}, TypeError, "custom_cfg must be a list"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        LogProcessor(**settings)
