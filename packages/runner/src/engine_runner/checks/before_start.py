"""The checks of a run before it starts: one file a check, one list, one walk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from engine_config import Config, is_trusted
from engine_registry import DefaultScope, Fault, restrict
from engine_runner.checks.apart import apart
from engine_runner.checks.best import best
from engine_runner.checks.caches import forget_cached
from engine_runner.checks.data import data
from engine_runner.checks.evaluators import evaluators
from engine_runner.checks.forward import forward
from engine_runner.checks.model import model
from engine_runner.checks.run_config import run_config_faults
from engine_runner.checks.schedules import schedules
from engine_runner.checks.source import source
from engine_runner.checks.strategy import layers_to_split, strategy
from engine_runner.checks.training import hooks, loop, optimizer, size
from engine_runner.checks.trial import Finding, Trial
from engine_runner.checks.unknown_keys import unknown_keys
from engine_runner.checks.work_dir import work_dir

__all__ = ["CHECKS", "Check", "Report", "examine"]

Check = Callable[[Trial], Iterator[Finding]]


def _written(trial: Trial) -> Iterator[Finding]:
    """Yield what is wrong with what is written, before anything is built of it."""
    yield from run_config_faults(trial.cfg)


# in this order: what one could make, those after it look at
CHECKS: tuple[Check, ...] = (
    _written, unknown_keys, strategy, model, layers_to_split, data, evaluators, forward, optimizer, loop, hooks,
    schedules, best, size, work_dir, source,
)  # fmt: skip


class Report(NamedTuple):
    """What the checks of a run found.

    Attributes
    ----------
    faults, notices : sequence of Fault
        What keeps it from starting, and what is told.
    handed_over : Mapping
        Loaders' configurations by name, with data sets that were read and are as new.
    """

    faults: Sequence[Fault]
    notices: Sequence[Fault]
    handed_over: Mapping[str, Any]


def examine(cfg: Config, *, new: bool = False, world_size: int = 1) -> Report:
    """Check all of a run; nothing is written, and the run after it is the same as without.

    Parameters
    ----------
    cfg : Config
        The run's configuration.
    new : bool
        Whether the run is about to start, and not to go on from one in its work directory.
    world_size : int
        How many processes it is to have.
    """
    trial = Trial(cfg, new, world_size)
    with ExitStack() as stack:
        stack.enter_context(apart())
        scope = DefaultScope.overwrite_default_scope(cfg.get("default_scope", "mmengine"))
        stack.enter_context(scope)
        if not is_trusted(trial.root):
            stack.enter_context(restrict())
        stack.callback(forget_cached)
        for check in CHECKS:
            for finding in check(trial):
                trial.note(finding)
    return Report(trial.faults, trial.notices, trial.handed_over)
