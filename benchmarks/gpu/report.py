"""What the checks found: a JSON file that is written anew after every stage."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["Goal", "Report", "StageResult", "faults"]

SCHEMA = 1
Status = Literal["passed", "failed", "skipped", "late"]


@dataclass(frozen=True)
class Goal:
    """A figure that is to be at most so much; it is held where it was measured on a GPU."""

    what: str
    value: float
    at_most: float

    @property
    def holds(self) -> bool:
        """Whether it is kept."""
        return self.value <= self.at_most


@dataclass(frozen=True)
class StageResult:
    """How a stage ended.

    Attributes
    ----------
    status : {"passed", "failed", "skipped", "late"}
        ``late`` where it was ended because its time was over, or never begun for want of it.
    reason : str
        Why it did not pass.
    skipped : list of str
        What a stage that passed left out, and why.
    result : dict
        Its figures.
    goals : list of Goal
        Those of its figures that have a bound.
    """

    name: str
    status: Status
    seconds: float
    reason: str = ""
    skipped: Sequence[str] = ()
    result: dict[str, Any] = field(default_factory=dict)
    goals: Sequence[Goal] = ()

    @classmethod
    def of(cls, text: str) -> StageResult:
        """Read what `text` wrote."""
        fields = json.loads(text)
        goals = [Goal(g["what"], g["value"], g["at_most"]) for g in fields.pop("goals")]
        return cls(**fields, goals=goals)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        goals = [{**asdict(goal), "holds": goal.holds} for goal in self.goals]
        kept = {**asdict(self), "goals": goals, "skipped": list(self.skipped)}
        return json_values(kept)  # type: ignore[no-any-return]  # a dict stays one

    def text(self) -> str:
        """Return it as a child hands it on."""
        plain = {**asdict(self), "goals": [asdict(goal) for goal in self.goals]}
        return json.dumps(json_values(plain))


@dataclass
class Report:
    """The whole of a run of the checks.

    Attributes
    ----------
    dry_run : bool
        Whether it was on a CPU with a tiny model, so that no figure means anything.
    machine : dict
        The device and what ran on it.
    """

    file: Path
    dry_run: bool
    machine: dict[str, Any]
    stages: list[StageResult] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, stage: StageResult, seconds: float) -> None:
        """Note how a stage ended, so many seconds after the start, and write all so far."""
        self.stages.append(stage)
        self.seconds = seconds
        self.write()

    def write(self) -> None:
        """Write the file, whole or not at all."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        made = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        made.write_text(json.dumps(self.plain(), indent=1) + "\n", encoding="utf-8")
        made.replace(self.file)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "schema": SCHEMA,
            "dry_run": self.dry_run,
            "machine": self.machine,
            "seconds": round(self.seconds, 1),
            "stages": [stage.plain() for stage in self.stages],
        }


def json_values(value: Any) -> Any:
    """Return a value with infinite numbers as texts and others to four digits."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    return value


def faults(report: dict[str, Any], stages: Sequence[str]) -> list[str]:
    """Return what of a report is not as it should be: its form, and what did not run.

    A stage may be skipped with a reason; goals count where they were measured on a GPU.
    """
    found = [
        f"no {key!r}" for key in ("schema", "dry_run", "machine", "seconds") if key not in report
    ]
    entries = report.get("stages", [])
    names = [entry.get("name") for entry in entries]
    if names != list(stages):
        found.append(f"the stages are {names}, not {list(stages)}")
    for entry in entries:
        found += _stage_faults(entry, held=not report.get("dry_run", True))
    return found


def _stage_faults(entry: dict[str, Any], held: bool) -> list[str]:
    name, status, reason = (entry.get(key) for key in ("name", "status", "reason"))
    if status == "skipped":
        return [] if reason else [f"{name} is skipped without a reason"]
    if status != "passed":
        return [f"{name} {status}: {reason}"]
    if not entry.get("result"):
        return [f"{name} has no result"]
    return [
        f"{name}: {goal['what']} is {goal['value']}, not at most {goal['at_most']}"
        for goal in entry.get("goals", [])
        if held and not goal["holds"]
    ]
