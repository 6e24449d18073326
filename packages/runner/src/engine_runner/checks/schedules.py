"""The schedules: whether they are as long as the run, and count what it counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from engine_optim import OptimWrapperDict
from engine_optim.schedulers import ConstantParamScheduler, LinearParamScheduler
from engine_runner.assembly.idle_schedule import IdleSchedule
from engine_runner.assembly.schedules import as_param_schedulers
from engine_runner.checks.telling import fault_of
from engine_runner.checks.trial import Finding, Notice, Trial

__all__ = ["schedules"]


def schedules(trial: Trial) -> Iterator[Finding]:
    """Yield schedules that cannot be made, never act, or end before the run does."""
    loop, wrapper = trial.parts.loop, trial.parts.optim_wrapper
    if loop is None or wrapper is None or not trial.is_sound("param_scheduler"):
        return
    length = _length(trial, loop)
    goals = {True: ("epoch", length.max_epochs), False: ("iteration", length.max_iters)}
    last: dict[tuple[int, str], tuple[str, Any]] = {}
    for path, value, own in _each(trial.given("param_scheduler"), wrapper):
        try:
            made: Any = next(iter(as_param_schedulers(value, own, length)))
        except Exception as error:
            yield fault_of(trial, error, path, "the schedule cannot be made: ")
            continue
        unit, goal = goals[made.by_epoch]
        if isinstance(made, IdleSchedule):
            begin = value.get("begin")
            yield Notice(trial.at(f"{path}.begin", _late(value.get("type"), unit, begin, goal)))
            continue
        if not hasattr(made, "end") or not hasattr(made, "param_name"):
            continue
        yield from _misfits(trial, path, made, loop.by_epoch, (unit, goal))
        key = (id(made.optimizer), made.param_name)
        share = made.end / max(goal, 1)
        before = last.get(key)
        if before is None or share > before[1].end / max(goals[before[1].by_epoch][1], 1):
            last[key] = (path, made)
    for path, made in last.values():
        unit, goal = goals[made.by_epoch]
        if made.end < goal and not _is_warmup(made):
            yield Notice(trial.at(
                path if "end" not in _at(trial, path) else f"{path}.end",
                f"{type(made).__name__} ends with {unit} {made.end} and the run with {unit} {goal}: "
                f"{made.param_name} stays as it is then. Leave 'end' out for the length of the run"
                f"{_other_unit(made, goals)}",
            ))  # fmt: skip


def _at(trial: Trial, path: str) -> Mapping[str, Any]:
    node: Any = trial.root
    for part in path.split("."):
        node = node[int(part)] if isinstance(node, (list, tuple)) else node[part]
    return node if isinstance(node, Mapping) else {}


def _length(trial: Trial, loop: Any) -> SimpleNamespace:
    """Return the length of the run; the loader was made as for one process."""
    iters = loop.max_iters
    if loop.by_epoch and trial.shares > 1:
        iters = loop.max_epochs * -(-(iters // max(loop.max_epochs, 1)) // trial.shares)
    return SimpleNamespace(dataloader=loop.dataloader, max_epochs=loop.max_epochs, max_iters=iters)


def _each(value: Any, wrapper: Any) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Yield each configuration of a schedule with its path, and the wrapper that it is for."""
    several = isinstance(wrapper, OptimWrapperDict)
    if several and isinstance(value, Mapping) and "type" not in value:
        for name, own in wrapper.items():
            yield from _listed(value.get(name), f"param_scheduler.{name}", own)
    else:
        for own in list(wrapper.values()) if several else [wrapper]:
            yield from _listed(value, "param_scheduler", own)


def _listed(value: Any, path: str, own: Any) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    if isinstance(value, Mapping):
        yield path, value, own
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, one in enumerate(value):
            if isinstance(one, Mapping):
                yield f"{path}.{index}", one, own


def _misfits(
    trial: Trial, path: str, made: Any, counts_epochs: bool, end: tuple[str, int]
) -> Iterator[Finding]:
    name, (unit, goal) = type(made).__name__, end
    if made.by_epoch and not counts_epochs and not getattr(made, "need_val_args", False):
        yield trial.at(
            path,
            f"{name} counts epochs, and a run by iterations has none: it would never act. Set "
            "by_epoch=False, and its begin and end in iterations",
        )
        return
    late = made.begin >= goal
    milestones = getattr(made, "milestones", None)
    if late:
        yield Notice(trial.at(f"{path}.begin", _late(name, unit, made.begin, goal)))
    elif isinstance(milestones, list) and milestones and made.begin + min(milestones) >= goal:
        yield Notice(trial.at(
            f"{path}.milestones",
            f"the first of the milestones is {unit} {made.begin + min(milestones)}, and the run "
            f"ends with {unit} {goal}: none is reached",
        ))  # fmt: skip


def _late(name: Any, unit: str, begin: Any, goal: int) -> str:
    return (
        f"{name} begins after {unit} {begin}, and the run ends with {unit} {goal}: it never acts"
    )


def _is_warmup(made: Any) -> bool:
    """Tell whether a schedule ends at the value that was set, which is what it is for."""
    if isinstance(made, LinearParamScheduler):
        return made.end_factor == 1.0
    return isinstance(made, ConstantParamScheduler)


def _other_unit(made: Any, goals: Mapping[bool, tuple[str, int]]) -> str:
    """Return a remedy where the end is the run's in the other unit."""
    unit, goal = goals[not made.by_epoch]
    if made.end != goal:
        return ""
    return f", or count {unit}s by by_epoch={not made.by_epoch}"
