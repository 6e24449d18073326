"""The bounds that every check of the repository holds, on samplers whose times are known."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from benchmarks import cheap_bounds, harness

ONCE = harness.Settings(rounds=2, min_seconds=0)


@dataclass
class Takes:
    """A sampler that takes the times that it is given, and the last of them from then on."""

    times: list[float]
    tries: list[int] = field(default_factory=list)

    def sample(self, repeats: int) -> float:
        """Return the next time."""
        seconds = self.times[0] if len(self.times) == 1 else self.times.pop(0)
        return seconds * repeats

    def close(self) -> None:
        """Note that a try is over."""
        self.tries.append(1)


def bound(ours: Takes) -> cheap_bounds.Bound:
    return cheap_bounds.Bound("work", lambda: Takes([0.5]), lambda: ours, at_most=4)


def test_what_is_always_slow_is_too_slow() -> None:
    ours = Takes([4.0])
    assert bound(ours).least(ONCE) == 8
    assert len(ours.tries) == cheap_bounds.TRIES


def test_what_is_slow_at_times_is_not() -> None:
    # two samples warm up, and two are the rounds
    ours = Takes([9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 1.0])
    assert bound(ours).least(ONCE) == 2
    assert len(ours.tries) == 2


@pytest.mark.parametrize(("ours", "status"), [(1.0, 0), (4.0, 1)])
def test_it_fails_where_a_bound_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ours: float, status: int
) -> None:
    monkeypatch.setattr(cheap_bounds, "BOUNDS", (bound(Takes([ours])),))
    monkeypatch.setattr("sys.argv", ["cheap_bounds"])
    assert cheap_bounds.main() == status
    assert ("**not** ≤ 4" in capsys.readouterr().out) == bool(status)
