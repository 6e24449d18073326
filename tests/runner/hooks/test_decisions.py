"""What hooks decide by, without a runner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_runner.hooks import BestScore, Priority, Retention, get_priority
from engine_runner.hooks.best import infer_rule
from engine_runner.hooks.every import due


@given(st.integers(0, 500), st.integers(1, 20), st.integers(0, 50))
def test_due_is_start_plus_multiples(done: int, every: int, start: int) -> None:
    assert due(done, every, start) == (done in range(start, 1000, every))


def test_never_due_below_one() -> None:
    assert not any(due(n, every) for n in range(10) for every in (0, -1))


@given(st.integers(1, 5), st.lists(st.integers(0, 30), max_size=40, unique=True))
def test_retention_keeps_the_newest(limit: int, counts: list[int]) -> None:
    kept, gone = Retention[str](limit), []
    names = [str(count) for count in counts]
    for name in names:
        kept, more = kept.with_one_more(name)
        gone += more
    assert kept.names == names[-limit:]
    assert gone == names[:-limit]


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=40))
def test_what_stops_wrote_goes_first(limit: int, stops: list[bool]) -> None:
    kept, there = Retention[int](limit), set()
    for count, stop in enumerate([*stops, False]):
        kept, gone = kept.with_one_more(count, passing=stop)
        there = {*there, count} - set(gone)
        assert there == set(kept.names)
        assert count in there
        assert len(there) <= limit
    # one that a stop took the place of is not there to be kept
    regular = [count for count, stop in enumerate([*stops, False]) if not stop]
    assert there <= set(regular)
    assert kept.passing == []


def test_retention_without_limit_and_with_a_name_again() -> None:
    kept, gone = Retention(-1, ["a", "b"]).with_one_more("a", passing=True)
    assert (kept.names, kept.passing, gone) == (["b", "a"], [], [])
    kept, gone = kept.with_one_more("c", passing=True)
    kept, gone = kept.with_one_more("d")
    assert (kept.names, gone) == (["b", "a", "c", "d"], [])


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("acc", "greater"),
        ("coco/bbox_mAP", "greater"),
        ("accuracy/top1", "greater"),
        ("val_loss", "less"),
        ("Loss", "less"),
    ],
)
def test_rule_from_the_name(key: str, rule: str) -> None:
    assert infer_rule(key) == rule


def test_a_name_that_says_nothing() -> None:
    with pytest.raises(ValueError, match=r"'perplexity'.*rule='greater' or rule='less'"):
        BestScore("perplexity")


def test_best_score_follows_its_rule_and_never_takes_nan() -> None:
    best = BestScore("auto", "less")
    found = [best.update({"error": v}) for v in (3.0, float("nan"), 2.0, 2.0, 5.0, 1.0)]
    assert found == [True, False, True, False, False, True]
    assert (best.key, best.score) == ("error", 1.0)


def test_best_score_of_a_metric_that_is_not_there() -> None:
    with pytest.raises(KeyError, match=r"save_best='acc'.*error"):
        BestScore("acc").update({"error": 1.0})


def test_an_unknown_rule() -> None:
    with pytest.raises(ValueError, match=r"'greater' or 'less', got 'more'"):
        BestScore("acc", "more")  # type: ignore[arg-type]  # what a user may write


@pytest.mark.parametrize(
    ("given", "number"), [(7, 7), ("normal", 50), ("VERY_LOW", 90), (Priority.HIGH, 30)]
)
def test_priorities(given: int | str, number: int) -> None:
    assert get_priority(given) == number


def test_wrong_priorities() -> None:
    with pytest.raises(ValueError, match="between 0 and 100, got 101"):
        get_priority(101)
    with pytest.raises(ValueError, match=r"'soon'; use one of HIGHEST"):
        get_priority("soon")
    with pytest.raises(TypeError, match="got float"):
        get_priority(1.5)  # type: ignore[arg-type]  # what a user may write
