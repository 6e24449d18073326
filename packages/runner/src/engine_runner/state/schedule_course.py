"""Where the schedules of a resumed run stand, and how far they go."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from engine_runner.state.overridden import Given, each_schedule

__all__ = ["catch_up", "driven_values", "run_on", "tell_of_ends"]

logger = logging.getLogger("engine.runner")

# settings of schedules that follow from how long a run is where they are not given
_OF_LENGTH = {"end", "T_max", "total_steps"}
_STAGES = ("", "initial_", "max_", "min_")


def driven_values(run: Any) -> list[tuple[Any, int, dict[str, Any]]]:
    """Return, of every schedule's groups, what the schedule has set at the start."""
    return [
        (schedule, index, _of_schedule(schedule, group))
        for _, schedule in each_schedule(run.param_schedulers)
        if hasattr(schedule, "param_name")
        for index, group in enumerate(schedule.optimizer.param_groups)
    ]


def _of_schedule(schedule: Any, group: Mapping[str, Any]) -> dict[str, Any]:
    names = [f"{stage}{schedule.param_name}" for stage in _STAGES]
    return {name: group[name] for name in (*names, "betas") if name in group}


def catch_up(run: Any, start: list[tuple[Any, int, dict[str, Any]]]) -> None:
    """Bring schedules that are new to where a run of their own would have them.

    Those that watch a measurement begin anew.

    Parameters
    ----------
    start
        What `driven_values` gave before the optimizer's state was loaded.
    """
    for schedule, index, values in start:
        schedule.optimizer.param_groups[index].update(values)
    schedules = [
        schedule for _, schedule in each_schedule(run.param_schedulers)
        if not getattr(schedule, "need_val_args", False)
    ]  # fmt: skip
    with warnings.catch_warnings():
        # the optimizer made its steps in the run that the checkpoint is of
        warnings.simplefilter("ignore", UserWarning)
        _step_through(schedules, run.train_loop.epoch, run.train_loop.iter)


def _step_through(schedules: list[Any], epochs: int, iters: int) -> None:
    by_iter = [schedule for schedule in schedules if not schedule.by_epoch]
    by_epoch = [schedule for schedule in schedules if schedule.by_epoch]
    length = iters // epochs if epochs else 0
    for _ in range(epochs):
        for _ in range(length if by_iter else 0):
            _step(by_iter)
        _step(by_epoch)
    for _ in range(iters - epochs * length if by_iter else 0):
        _step(by_iter)


def _step(schedules: list[Any]) -> None:
    for schedule in schedules:
        schedule.step()


def run_on(run: Any, given: Given, saved: Mapping[str, Any]) -> None:
    """Let schedules that were to end with a shorter run end with this one, where their curve is the same.

    One that reckons its values from its end would not be what it was in the steps done: it stays as it
    was saved.

    Parameters
    ----------
    given : Given
        What the configuration says of the schedules, which hold by now what was saved.
    saved : Mapping
        The facts in the checkpoint's message hub: how long the run was to be, among them.
    """
    goals, before = _goals(run.train_loop), _goals_before(saved)
    for place, schedule in each_schedule(run.param_schedulers):
        changed = given.changed_of(place, schedule)
        if not getattr(schedule, "runs_on", False) or set(changed) != {"end"}:
            continue
        goal = goals[schedule.by_epoch][1]
        if schedule.end == before[schedule.by_epoch] and schedule.end < goal == changed["end"]:
            with warnings.catch_warnings():
                # the optimizer made its steps in the run that the checkpoint is of
                warnings.simplefilter("ignore", UserWarning)
                schedule.extend(goal)


def _goals(loop: Any) -> dict[bool, tuple[str, int]]:
    """Return the unit in which a schedule counts, and how long the run is in it, by ``by_epoch``."""
    return {True: ("epoch", loop.max_epochs), False: ("iteration", loop.max_iters)}


def _goals_before(saved: Mapping[str, Any]) -> dict[bool, Any]:
    return {True: saved.get("max_epochs"), False: saved.get("max_iters")}


def tell_of_ends(run: Any, given: Given, saved: Mapping[str, Any]) -> set[str]:
    """Tell which settings no schedule changes any more in what a longer run adds.

    Parameters
    ----------
    given, saved
        As for `run_on`.

    Returns
    -------
    set of str
        The places of schedules of which all is told.
    """
    loop = run.train_loop
    goals = _goals(loop)
    before = _goals_before(saved)[loop.by_epoch]
    if not isinstance(before, int) or before >= goals[loop.by_epoch][1]:
        return set()
    lasting: dict[tuple[int, str], tuple[str, Any]] = {}
    for place, schedule in each_schedule(run.param_schedulers):
        if hasattr(schedule, "end") and hasattr(schedule, "param_name"):
            key = (id(schedule.optimizer), schedule.param_name)
            lasting[key] = max(
                lasting.get(key, (place, schedule)), (place, schedule),
                key=lambda one: _share(one[1], goals),
            )  # fmt: skip
    told = set()
    for place, schedule in lasting.values():
        unit, goal = goals[schedule.by_epoch]
        if schedule.end < goal:
            changed = given.changed_of(place, schedule)
            if changed.keys() <= _OF_LENGTH:
                told.add(place)
            _tell(schedule, unit, goal, bool(changed))
    return told


def _share(schedule: Any, goals: Mapping[bool, tuple[str, int]]) -> float:
    """Return the share of the run after which a schedule ends."""
    return float(schedule.end / goals[schedule.by_epoch][1])


def _tell(schedule: Any, unit: str, goal: int, as_saved: bool) -> None:
    name = schedule.param_name
    value = (
        f"{schedule.optimizer.param_groups[0][name]:.4g}"
        if schedule.is_over
        else "what it is then"
    )
    logger.warning(
        "this run is longer than the one that was saved: %s stays at %s from %s %d on, where %s "
        "ends%s, up to %s %d. To have a schedule over the whole of it, give it the end %d in the "
        "configuration and call runner.resume(path, resume_param_scheduler=False), or start from "
        "the weights: load_from without resume",
        name, value, unit, schedule.end, type(schedule).__name__, ", as saved" if as_saved else "",
        unit, goal, goal,
    )  # fmt: skip
