"""The place of a schedule that a short run ends before."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

__all__ = ["IdleSchedule", "idle_in", "take_up"]

logger = logging.getLogger("engine.runner")


class IdleSchedule:
    """Counts steps in the stead of a schedule, which a longer run that is resumed takes up.

    Parameters
    ----------
    by_epoch : bool
        Whether a step is an epoch.
    """

    def __init__(self, by_epoch: bool) -> None:
        self.by_epoch = by_epoch
        self._global_step = 0

    def step(self) -> None:
        """Count a step."""
        self._global_step += 1

    def state_dict(self) -> dict[str, Any]:
        """Return how many steps there were."""
        return {"_global_step": self._global_step, "idle": True}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on counting."""
        self._global_step = state_dict.get("_global_step", 0)


def idle_in(value: Mapping[str, Any], end: int) -> IdleSchedule | None:
    """Return what stands for a schedule without an end of its own that begins when the run has ended.

    Parameters
    ----------
    value : Mapping
        The schedule's configuration.
    end : int
        Epochs, or iterations, that the run makes.
    """
    begin, by_epoch = value.get("begin", 0), value.get("by_epoch", True)
    if not isinstance(begin, int) or begin < end:
        return None
    unit = "epoch" if by_epoch else "iteration"
    logger.warning(
        "%s is left out: it begins after %s %d, and this run ends after %s %d",
        value.get("type"), unit, begin, unit, end,
    )  # fmt: skip
    return IdleSchedule(by_epoch and not value.get("convert_to_iter_based", False))


def take_up(scheduler: Any, state: Mapping[str, Any]) -> None:
    """Let a schedule act from where an idle one had counted to."""
    done = state["_global_step"]
    if done < 1 or isinstance(scheduler, IdleSchedule):
        scheduler.load_state_dict(state)
        return
    scheduler.load_state_dict({"_global_step": done - 1})
    with warnings.catch_warnings():
        # the optimizer made its steps in the run that the checkpoint is of
        warnings.simplefilter("ignore", UserWarning)
        scheduler.step()
