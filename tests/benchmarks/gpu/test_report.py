"""What of a report is not as it should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.gpu.report import Goal, Report, StageResult, faults

GOAL = Goal("step time over the loop by hand", 1.005, 1.01)


def passed(name: str, *goals: Goal) -> StageResult:
    return StageResult(name, "passed", 3.0, result={"ratio": 1.005}, goals=goals)


def report(file: Path, *stages: StageResult, dry_run: bool = False) -> dict[str, Any]:
    made = Report(file, dry_run, {"device": "a card"})
    for number, stage in enumerate(stages):
        made.add(stage, 3.0 * number)
        # whole after every stage, for the next may be the last
        assert len(json.loads(file.read_text())["stages"]) == number + 1
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_one_that_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "made" / "gpu.json"
    written = report(file, passed("a", GOAL), passed("b"))
    assert faults(written, ["a", "b"]) == []
    assert written["stages"][0]["goals"] == [
        {"what": GOAL.what, "value": 1.005, "at_most": 1.01, "holds": True}
    ]
    assert [path.name for path in file.parent.iterdir()] == ["gpu.json"]


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([passed("a")], "the stages are ['a'], not ['a', 'b']"),
        ([passed("a"), StageResult("b", "late", 9.0, "no time")], "b late: no time"),
        ([passed("a"), StageResult("b", "failed", 1.0, "broke")], "b failed: broke"),
        ([passed("a"), StageResult("b", "passed", 1.0)], "b has no result"),
        ([passed("a"), StageResult("b", "skipped", 1.0)], "b is skipped without a reason"),
        ([passed("a"), passed("b", Goal("it", 2.0, 1.0))], "b: it is 2.0, not at most 1.0"),
    ],
)
def test_what_is_amiss(tmp_path: Path, stages: list[StageResult], said: str) -> None:
    assert faults(report(tmp_path / "gpu.json", *stages), ["a", "b"]) == [said]


def test_a_stage_that_is_skipped_for_a_reason(tmp_path: Path) -> None:
    skipped = StageResult("a", "skipped", 0.0, "pytest cannot be imported")
    assert faults(report(tmp_path / "gpu.json", skipped), ["a"]) == []


def test_a_dry_run_is_held_to_no_goal(tmp_path: Path) -> None:
    missed = passed("a", Goal("it", 2.0, 1.0))
    assert faults(report(tmp_path / "gpu.json", missed, dry_run=True), ["a"]) == []


def test_a_result_comes_back_from_a_child() -> None:
    sent = StageResult("a", "passed", 2.0, "", ["a part"], {"x": [1.0]}, [GOAL])
    assert StageResult.of(sent.text()) == sent
    infinite = StageResult("a", "passed", 2.0, result={"loss": float("inf")})
    assert StageResult.of(infinite.text()).result == {"loss": "inf"}
