"""The harness, with clocks and contenders that are known in advance."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from benchmarks import contenders, harness


class FakeClock:
    """Time goes on only when work is done."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, seconds: float) -> harness.Factory:
        def make() -> Callable[[], object]:
            return lambda: self._spend(name, seconds)

        return make

    def _spend(self, name: str, seconds: float) -> None:
        self.now += seconds
        self.calls.append(name)


def raising() -> Callable[[], object]:
    raise ImportError("No module named 'nowhere'")


def nothing() -> None:
    return None


def make_counter() -> Callable[[], object]:
    """Serve as a contender in another process."""
    print("a library that prints when it starts")
    return lambda: sum(range(1000))


@dataclass
class Held:
    """A sampler that gives its own times and remembers what it was asked."""

    asked: list[int] = field(default_factory=list)
    closed: bool = False

    def sample(self, repeats: int) -> float:
        self.asked.append(repeats)
        return 0.25 * repeats

    def close(self) -> None:
        self.closed = True


def test_ratio_and_difference_are_taken_against_the_reference() -> None:
    clock = FakeClock()
    base, other = harness.compare(
        {"base": clock.work("base", 0.25), "other": clock.work("other", 0.5)},
        "base",
        units=2,
        clock=clock,
    )
    assert base.ratio == harness.Spread(1, 1, 1)
    assert other.seconds == harness.Spread(0.25, 0.25, 0.25)
    assert other.ratio == harness.Spread(2, 2, 2)
    assert other.difference == harness.Spread(0.125, 0.125, 0.125)


def test_every_round_has_every_contender_in_an_order_that_varies_and_repeats() -> None:
    def calls(seed: int) -> list[tuple[str, ...]]:
        clock = FakeClock()
        names = ["a", "b", "c"]
        harness.compare(
            {name: clock.work(name, 1.0) for name in names},
            "a",
            settings=harness.Settings(rounds=20, seed=seed),
            clock=clock,
        )
        timed = clock.calls[6:]  # a warm-up and a calibration each
        return [tuple(timed[i : i + 3]) for i in range(0, 60, 3)]

    assert all(sorted(one) == ["a", "b", "c"] for one in calls(0))
    assert len(set(calls(0))) > 1
    assert calls(0) == calls(0) != calls(1)


def test_samples_are_long_enough() -> None:
    clock = FakeClock()
    harness.compare(
        {"base": clock.work("base", 0.001)},
        "base",
        settings=harness.Settings(rounds=1, min_seconds=0.5),
        clock=clock,
    )
    assert clock.now > 1.0
    assert len(clock.calls) < 3000


def test_missing_contenders_are_reported() -> None:
    clock = FakeClock()
    found = harness.compare(
        {"base": clock.work("base", 1.0), "gone": raising, "none": nothing}, "base", clock=clock
    )
    assert [one.missing for one in found] == [
        None,
        "not installed: No module named 'nowhere'",
        "not installed",
    ]
    assert found[1].row() == "| gone | not installed: No module named 'nowhere' | | | |"
    assert found[1].holds


def test_a_missing_or_unknown_reference_is_an_error() -> None:
    with pytest.raises(ImportError, match="nowhere"):
        harness.compare({"gone": raising}, "gone")
    with pytest.raises(ValueError, match=r"'x' is none of \['gone'\]"):
        harness.compare({"gone": raising}, "x")


def test_a_sampler_is_asked_and_closed() -> None:
    held = Held()
    harness.compare({"held": lambda: held}, "held", settings=harness.Settings(rounds=3))
    assert held.asked == [1, 1, 1, 1, 1]
    assert held.closed


def test_table_shows_times_and_bounds() -> None:
    clock = FakeClock()
    found = harness.compare(
        {
            "base": clock.work("base", 0.5),
            "ok": clock.work("ok", 1.0),
            "bad": clock.work("bad", 2),
        },
        "base",
        at_most={"ok": 2.5, "bad": 2.5},
        clock=clock,
    )
    text = harness.table("Title", found)
    assert "### Title" in text
    assert "| ok | 1 s | 2 (2 to 2) | 500 ms (500 ms to 500 ms) | ≤ 2.5 |" in text
    assert "| bad | 2 s | 4 (4 to 4) | 1.5 s (1.5 s to 1.5 s) | **not** ≤ 2.5 |" in text
    assert [one.holds for one in found] == [True, True, False]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0], (1, 1, 1)), ([float(i) for i in range(11)], (5, 1, 9))],
)
def test_spread(values: list[float], expected: tuple[float, float, float]) -> None:
    assert harness.Spread.of(values) == harness.Spread(*expected)


def test_serve_answers_in_the_time_of_its_own_clock() -> None:
    clock = iter([0.0, 2.0, 10.0, 15.0])
    answers = io.StringIO()
    contenders.serve(
        f"{__name__}:make_counter", io.StringIO("3\n7\n"), answers, lambda: next(clock)
    )
    assert answers.getvalue().splitlines() == ["ready", "2.0", "5.0"]


def test_serve_says_what_is_missing() -> None:
    answers = io.StringIO()
    contenders.serve(f"{__name__}:raising", io.StringIO(), answers)
    assert answers.getvalue() == "ImportError: No module named 'nowhere'\n"


def test_a_contender_of_another_interpreter() -> None:
    there = harness.elsewhere(f"{__name__}:make_counter", sys.executable)()
    assert isinstance(there, harness.Elsewhere)
    assert there.sample(10) > 0
    there.close()
    with pytest.raises(ImportError, match="nowhere"):
        harness.elsewhere(f"{__name__}:raising", sys.executable)()


def test_without_another_interpreter_the_contender_is_local(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CONTENDER_PYTHON", raising=False)
    assert callable(harness.elsewhere(f"{__name__}:make_counter")())


def test_a_command_is_run_whole() -> None:
    command = harness.Command(
        [sys.executable, "-S", "-c", "import os; os.environ['X']"], {"X": "1"}
    )
    assert command.sample(2) > 0


def test_main_prints_and_returns_whether_bounds_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTENDER_PYTHON", "")
    argv = ["--rounds", "1", "--min-seconds", "0", "--contender-python", "some-python"]
    same = {"a": Held, "b": Held}
    assert harness.main("T", same, "a", at_most={"b": 1.0}, argv=argv) == 0
    assert harness.main("T", same, "a", at_most={"b": 0.5}, argv=argv) == 1
    assert "### T" in capsys.readouterr().out
    assert os.environ["CONTENDER_PYTHON"] == "some-python"
