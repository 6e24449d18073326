"""What is kept of a scalar, and that the numbers are those of all that there was."""

from __future__ import annotations

import copy
import itertools
import logging
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from engine_runner.logging import HistoryBuffer, LogProcessor, MessageHub

_names = itertools.count()
LOSSES = np.random.default_rng(0).normal(size=6000).tolist()


@pytest.fixture(autouse=True)
def _of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HistoryBuffer._statistics_methods, "spread", spread)


def spread(buffer: HistoryBuffer, window_size: int | None = None) -> float:
    """Stand for a statistic of a user's, written for MMEngine."""
    values = buffer._log_history[-(window_size or len(buffer._log_history)) :]
    return float(values.max() - values.min())


def hub(losses: list[float] | None = None) -> MessageHub:
    made = MessageHub.get_instance(f"bounded-{next(_names)}")
    for loss in losses or ():
        made.update_scalar("train/loss", loss)
    return made


def test_what_is_held_and_saved_does_not_grow() -> None:
    sizes = []
    grown = hub()
    for done, loss in enumerate(itertools.islice(itertools.cycle(LOSSES), 20_000), start=1):
        grown.update_row(("train/loss", "train/lr"), (loss, 0.1))
        if done % 1000 == 0:
            sizes.append(len(grown.state_dict()["log_scalars"]["train/loss"]["values"]))
    assert max(sizes) <= 1500
    assert min(sizes) >= 1000


def test_of_all_that_there_was() -> None:
    scalar = hub(LOSSES).get_scalar("train/loss")
    assert scalar.seen == 6000
    assert len(scalar.data[0]) < 2000
    for window in (None, 6000, 10**6):
        assert scalar.mean(window) == pytest.approx(np.mean(LOSSES), rel=1e-12)
        assert (scalar.max(window), scalar.min(window)) == (max(LOSSES), min(LOSSES))
    assert scalar.mean(700) == pytest.approx(np.mean(LOSSES[-700:]), rel=1e-12)
    assert scalar.max(700) == max(LOSSES[-700:])
    assert scalar.current() == LOSSES[-1]
    counted = hub()
    for loss in LOSSES:
        counted.update_scalar("train/loss", loss, count=3)
    assert counted.get_scalar("train/loss").mean() == pytest.approx(np.mean(LOSSES) / 3)


def test_one_that_was_no_number_shows_in_the_largest_for_ever() -> None:
    scalar = hub([1.0, math.nan, *LOSSES]).get_scalar("train/loss")
    assert math.isnan(scalar.max())
    assert math.isnan(scalar.mean())
    assert not math.isnan(scalar.max(50))


def test_a_resumed_run_goes_on_with_the_totals() -> None:
    whole, first, second = hub(LOSSES), hub(LOSSES[:4000]), hub()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for loss in LOSSES[4000:]:
        second.update_scalar("train/loss", loss)
    one, other = (found.get_scalar("train/loss") for found in (whole, second))
    assert other.seen == 6000
    assert other.mean() == pytest.approx(one.mean(), rel=1e-12)
    assert (other.max(), other.mean(300)) == (one.max(), one.mean(300))


def test_whole_numbers_stay_whole() -> None:
    scalar = hub([3, 1, 2]).get_scalar("train/loss")
    assert [repr(n) for n in (scalar.current(), scalar.max(), scalar.min())] == ["2", "3", "1"]
    restored = hub()
    restored.load_state_dict({**hub([3]).state_dict()})
    assert repr(restored.get_scalar("train/loss").current()) == "3"


def run(losses: list[float], processor: LogProcessor, every: int) -> list[dict[str, Any]]:
    """Log a run of two epochs as the hooks do; return the scalars of its lines."""
    told, length = [], len(losses) // 2
    loop = SimpleNamespace(dataloader=[0] * length)
    runner: Any = SimpleNamespace(
        message_hub=hub(), epoch=0, iter=0, max_epochs=2, max_iters=len(losses),
        train_loop=loop, val_loop=loop, test_loop=loop,
    )  # fmt: skip
    processor.keep_histories(runner, "train", every)
    for runner.iter, loss in enumerate(losses):
        runner.epoch, batch = divmod(runner.iter, length)
        runner.message_hub.update_row(("train/loss",), (loss,))
        if (batch + 1) % every == 0:
            told.append(processor.get_log_after_iter(runner, batch, "train")[0])
    return told


CUSTOM: list[dict[str, Any]] = [
    {
        "data_src": "loss",
        "log_name": "mean_of_epoch",
        "method_name": "mean",
        "window_size": "epoch",
    },
    {"data_src": "loss", "log_name": "global", "method_name": "mean", "window_size": "global"},
    {"data_src": "loss", "log_name": "least", "method_name": "min", "window_size": "global"},
    {"data_src": "loss", "log_name": "all", "method_name": "max"},
    {"data_src": "loss", "log_name": "long", "method_name": "mean", "window_size": 2500},
    {"data_src": "loss", "log_name": "spread", "method_name": "spread", "window_size": "global"},
    {"data_src": "loss", "log_name": "of_epoch", "method_name": "spread", "window_size": "epoch"},
]


@pytest.mark.parametrize("every", [750, 3000])  # also longer than what is kept unasked
def test_windows_of_any_length(every: int) -> None:
    told = run(LOSSES, LogProcessor(window_size=1200, custom_cfg=CUSTOM), every)
    for done, tag in zip(range(every, 6001, every), told, strict=True):
        batches = (done - 1) % 3000 + 1
        values, epoch = np.array(LOSSES[:done]), np.array(LOSSES[done - batches : done])
        expected = {
            "loss": values[-1200:].mean(),
            "mean_of_epoch": epoch.mean(),
            "global": values.mean(),
            "least": values.min(),
            "all": values.max(),
            "long": values[-2500:].mean(),
            "spread": np.ptp(values),
            "of_epoch": np.ptp(epoch),
        }
        assert {name: tag[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_windows_over_all_keep_nothing() -> None:
    processor = LogProcessor(custom_cfg=[CUSTOM[1], CUSTOM[2], CUSTOM[3]])
    run(LOSSES, processor, 10)
    found = MessageHub.get_current_instance().get_scalar("train/loss")
    assert len(found.data[0]) < 2000


def test_a_validation_longer_than_what_is_kept() -> None:
    processor, loop = LogProcessor(), SimpleNamespace(dataloader=[0] * 5000)
    runner: Any = SimpleNamespace(
        message_hub=hub(), epoch=1, iter=0, max_epochs=2, max_iters=2, val_loop=loop
    )
    processor.keep_histories(runner, "val")
    for value in LOSSES[:5000]:
        runner.message_hub.update_row(("val/time",), (value,))
    tag, _ = processor.get_log_after_epoch(runner, 5000, "val")
    assert tag["time"] == pytest.approx(np.mean(LOSSES[:5000]))


def test_a_window_that_nobody_spoke_of(caplog: pytest.LogCaptureFixture) -> None:
    made = hub(LOSSES[:4000])
    scalar = made.get_scalar("train/loss")
    for _ in range(2):
        assert scalar.mean(2000) == pytest.approx(np.mean(scalar.data[0]))
    assert caplog.text.count("a window of 2000 values was asked for") == 1
    for loss in LOSSES[4000:]:
        made.update_scalar("train/loss", loss)
    # asked for once, it is kept
    assert scalar.mean(2000) == pytest.approx(np.mean(LOSSES[-2000:]))
    assert scalar.statistics("spread", window_size=1900) == np.ptp(LOSSES[-1900:])
    caplog.set_level(logging.WARNING)
    early = hub()
    for loss in LOSSES:
        early.update_scalar("train/loss", loss)
        early.get_scalar("train/loss").mean(window_size=3000)
    assert early.get_scalar("train/loss").mean(3000) == pytest.approx(np.mean(LOSSES[-3000:]))
    assert caplog.text.count("values was asked for") == 1


def test_a_history_of_ones_own_is_as_long_as_it_says() -> None:
    buffer = HistoryBuffer(max_length=5)
    for loss in LOSSES:
        buffer.update(torch.tensor(loss, dtype=torch.float64))
    assert buffer.data[0].tolist() == LOSSES[-5:]
    assert buffer.mean() == pytest.approx(np.mean(LOSSES[-5:]))
    assert buffer.max(10**9) == max(LOSSES[-5:])


def test_who_holds_a_history_sees_what_comes() -> None:
    made = hub([1.0])
    held = made.get_scalar("train/loss")
    made.update_scalar("train/loss", torch.tensor(2.0))
    assert held.current() == 2
    made.update_row(("train/loss", "train/lr"), (3.0, 0.1))
    assert copy.deepcopy(held).data[0].tolist() == [1, 2, 3]
    held.update(4.0)
    made.update_scalar("train/loss", 5.0)
    assert held.data[0].tolist() == [1, 2, 3, 4, 5]
