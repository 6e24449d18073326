"""Where the schedules of a resumed run stand, and how far they go."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from engine_runner.state.overridden import each_schedule

__all__ = ["catch_up", "driven_values", "tell_of_ends"]

logger = logging.getLogger("engine.runner")

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


def tell_of_ends(run: Any, saved: Mapping[str, Any]) -> None:
    """Tell which settings no schedule changes any more in what a longer run adds.

    Parameters
    ----------
    saved : Mapping
        The facts in the checkpoint's message hub: how long the run was to be, among them.
    """
    loop = run.train_loop
    goals = {True: ("epoch", loop.max_epochs), False: ("iteration", loop.max_iters)}
    before = saved.get("max_epochs" if loop.by_epoch else "max_iters")
    if not isinstance(before, int) or before >= goals[loop.by_epoch][1]:
        return
    lasting: dict[tuple[int, str], Any] = {}
    for _, schedule in each_schedule(run.param_schedulers):
        if hasattr(schedule, "end") and hasattr(schedule, "param_name"):
            key = (id(schedule.optimizer), schedule.param_name)
            lasting[key] = max(
                lasting.get(key, schedule), schedule, key=lambda s: _share(s, goals)
            )
    for schedule in lasting.values():
        unit, goal = goals[schedule.by_epoch]
        if schedule.end < goal:
            _tell(schedule, unit, goal)


def _share(schedule: Any, goals: Mapping[bool, tuple[str, int]]) -> float:
    """Return the share of the run after which a schedule ends."""
    return float(schedule.end / goals[schedule.by_epoch][1])


def _tell(schedule: Any, unit: str, goal: int) -> None:
    name = schedule.param_name
    value = (
        f"{schedule.optimizer.param_groups[0][name]:.4g}"
        if schedule.is_over
        else "what it is then"
    )
    logger.warning(
        "this run is longer than the one that was saved: %s stays at %s from %s %d on, where %s "
        "ends, up to %s %d. To have a schedule over the whole of it, give it the end %d in the "
        "configuration and call runner.resume(path, resume_param_scheduler=False), or start from "
        "the weights: load_from without resume",
        name, value, unit, schedule.end, type(schedule).__name__, unit, goal, goal,
    )  # fmt: skip
