"""What becomes of the learning rate where a resumed run makes its steps of more samples, or fewer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from engine_dist import data_parallel, get_world_size
from engine_runner.state.overridden import each_schedule

__all__ = ["follow_batch", "samples_a_step"]

logger = logging.getLogger("engine.runner")

_RATES = ("lr", "initial_lr")
_OF_A_CYCLE = "max_lr"  # one cycle goes between rates of its own, whatever the optimizer's was


def samples_a_step(loader: Any) -> int | None:
    """Return how many samples an iteration has on all ranks; None where the loader does not say."""
    size = getattr(loader, "batch_size", None)
    if size is None:
        size = getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
    return size * data_parallel().size if isinstance(size, int) else None


def follow_batch(run: Any, meta: Mapping[str, Any]) -> None:
    """Keep the learning rates as saved and say so, or scale them, as ``auto_scale_lr`` says.

    Parameters
    ----------
    run
        The run, with the optimizer and the schedules as saved.
    meta : Mapping
        The checkpoint's: its ``global_batch_size`` are the samples of a step then.
    """
    was, now = meta.get("global_batch_size"), samples_a_step(run.train_loop.dataloader)
    if not isinstance(was, int) or was < 1 or now is None or was == now:
        return
    processes = meta.get("world_size"), get_world_size()
    if not (run.auto_scale_lr or {}).get("enable", False):
        logger.warning(
            "the learning rate is kept as saved: a step was made of %d samples in all, on %s "
            "processes, and is made of %d, on %d. auto_scale_lr=dict(enable=True, "
            "base_batch_size=...) scales it with them", was, processes[0], now, processes[1],
        )  # fmt: skip
        return
    _scale(run, now / was)
    logger.warning(
        "the learning rate is scaled by %g, as auto_scale_lr says: a step was made of %d samples "
        "in all, on %s processes, and is made of %d, on %d",
        now / was, was, processes[0], now, processes[1],
    )  # fmt: skip


def _scale(run: Any, ratio: float) -> None:
    groups = run.optim_wrapper.param_groups
    several = groups.values() if isinstance(groups, Mapping) else [groups]
    for group in (group for own in several for group in own if _OF_A_CYCLE not in group):
        for name in _RATES:
            if isinstance(group.get(name), Tensor):
                group[name].mul_(ratio)
            elif name in group:
                group[name] *= ratio
    for _, schedule in each_schedule(run.param_schedulers):
        if getattr(schedule, "param_name", None) == "lr":
            # that its groups have other values now than it set, a schedule sees by itself
            schedule.base_values = [
                value if _OF_A_CYCLE in group else value * ratio
                for value, group in zip(
                    schedule.base_values, schedule.optimizer.param_groups, strict=True
                )
            ]
