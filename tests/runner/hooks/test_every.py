"""Intervals in any unit: what may be written, and when something is due."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_runner.hooks.every import Every, Interval, due
from engine_runner.hooks.meters import meter_of
from engine_runner.hooks.pace import Shared


@pytest.mark.parametrize(
    ("value", "unit", "every"),
    [
        (5, "iteration", Every(5)),
        (2.0, "epoch", Every(2, "epoch")),
        (-1, "epoch", Every(-1, "epoch")),
        (Every(7, "batch"), "epoch", Every(7, "batch")),
        ({"n": 600, "unit": "seconds"}, "epoch", Every(600, "seconds")),
        ({"n": 0.5, "unit": "seconds"}, "epoch", Every(0.5, "seconds")),
        ({"n": 3}, "epoch", Every(3, "epoch")),
        ({"n": 3, "unit": "samples", "begin": 9}, "epoch", Every(3, "samples", 9)),
    ],
)
def test_what_an_interval_may_be(value: Interval, unit: Any, every: Every) -> None:
    assert Every.of(value, unit) == every


def test_what_stands_beside_an_interval() -> None:
    assert Every.of(5, begin=3, last=True) == Every(5, "iteration", 3, True)
    assert Every.of({"n": 5, "begin": 2}, begin=3, last=True) == Every(5, "iteration", 2, True)


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        ("5", TypeError, "the n of an interval is a number .of iteration., got '5'"),
        (True, TypeError, "got True"),
        (float("nan"), TypeError, "got nan"),
        (None, TypeError, "got None"),
        (1.5, ValueError, "is a whole number .of iteration., got 1.5"),
        (
            {"n": 1.5, "unit": "tokens"},
            ValueError,
            "the n of an interval is a whole number .of tokens., got 1.5",
        ),
        ({"n": 2, "unit": "minutes"}, ValueError, "a unit is one of .*seconds.*got 'minutes'"),
        ({"every": 2}, ValueError, "a dict of n and unit"),
        ({"n": 2, "units": "seconds"}, ValueError, "a dict of n and unit"),
    ],
)
def test_what_it_may_not_be(value: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Every.of(value)


def runner(batch_size: int = 4, done: int = 0, **loop: Any) -> Any:
    loader = SimpleNamespace(batch_size=batch_size)
    return SimpleNamespace(train_loop=SimpleNamespace(dataloader=loader, **loop), iter=done)


@given(st.integers(1, 60), st.integers(0, 40), st.integers(1, 9))
def test_samples_are_due_where_a_batch_passes_them(n: int, begin: int, size: int) -> None:
    meter = meter_of(Every(n, "samples", begin), runner(size))
    counts = [done for done in range(1, 60) if meter.reached(done)]
    assert counts == [
        done
        for done in range(1, 60)
        if any(
            count and due(count, n, begin)
            for count in range((done - 1) * size + 1, done * size + 1)
        )
    ]
    # a plan that asks only where it was told to misses none
    planned, done = [], 0
    while (done := meter.next_after(done) or 99) < 60:
        planned.append(done)
    assert planned == counts


@given(st.integers(1, 30), st.integers(1, 2000), st.integers(0, 50))
def test_at_an_even_pace_a_time_is_told_at_its_iteration(pace: int, n: int, start: int) -> None:
    now = [start]
    shared = Shared(lambda: (now[0] - start) * pace, n, start)
    told = []
    for done in range(start + 1, start + 300):
        now[0] = done
        if shared.reached(done):
            told.append(done - start)
    # what is due between two iterations comes at the second, and several at once
    assert told == sorted({-(-k * n // pace) for k in range(1, 300 * pace // n + 1)} - {300})


def test_the_looks_are_few() -> None:
    now, looks = [0], [0]

    def measure() -> float:
        looks[0] += 1
        return now[0] * 0.01

    shared = Shared(measure, 10_000.0, 0)
    for done in range(1, 1_000_001):
        now[0] = done
        if shared.reached(done):
            assert done == 1_000_000
    assert looks[0] <= 2 * math.log2(1_000_000) + 3


def test_a_slow_start_and_a_stall_are_told_soon() -> None:
    # the first iteration compiles, 500 times as long as the others; later one is a validation
    seconds, told, looks = 0.0, [], 0
    shared = Shared(lambda: seconds, 600.0, 0)
    for done in range(1, 20_000):
        seconds += 50.0 if done == 1 else 400.0 if done == 7000 else 0.1
        looks += shared.look == done
        if shared.reached(done):
            told.append((done, seconds))
    first, second, third, *_ = told
    assert first[1] == pytest.approx(600, abs=0.2)
    assert 1200 <= second[1] < 1500
    assert third[1] == pytest.approx(1800, abs=0.2)
    assert looks < 30 * len(told)


def test_what_a_loop_cannot_count() -> None:
    with pytest.raises(ValueError, match=r"SimpleNamespace counts no tokens, .*derived from Tr"):
        meter_of(Every(5, "tokens"), runner())
    with pytest.raises(
        ValueError, match=r"needs the size of a batch, and SimpleNamespace says none"
    ):
        meter_of(Every(5, "samples"), runner(batch_size=0))
