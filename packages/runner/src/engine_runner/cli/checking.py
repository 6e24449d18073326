"""The checks before a training, by the main process for all of a job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from engine_config import Config
from engine_dist import broadcast_object_list
from engine_dist.environment import Place, by_mpi, by_slurm, by_torchrun, restarts
from engine_dist.strategies import SingleDeviceStrategy
from engine_registry import Fault, require_none
from engine_runner.checks.before_start import Report, examine
from engine_runner.cli.user_errors import UserMistake

__all__ = ["check_before_start", "tell_notices"]


def check_before_start(cfg: Config) -> Mapping[str, Any]:
    """Check a run that is about to start; every process calls it, and the main one checks.

    The others wait for it to join them, and get what it found.

    Returns
    -------
    Mapping
        Loaders' configurations by name, with data sets that were read already.

    Raises
    ------
    ConfigCheckError
        On the main process, with all faults at once.
    UserMistake
        On the others, where there are any.
    """
    rank, world_size = _place(cfg)
    report = None
    if rank == 0:
        new = not (cfg.get("resume") or restarts())
        report = examine(cfg, new=new, world_size=world_size)
        tell_notices(report.notices)
    if world_size > 1:
        _agree(cfg, report)
    if report is None:
        return {}
    require_none(report.faults)
    return report.handed_over


def tell_notices(notices: Iterable[Fault]) -> None:
    """Print what may be meant, and might not be."""
    for notice in notices:
        print(f"engine: warning: {notice}", file=sys.stderr)


def _place(cfg: Config) -> tuple[int, int]:
    """Return the number of this process, and of how many; by what its launcher says."""
    places: dict[str, Callable[[], Place]] = {
        "pytorch": by_torchrun,
        "mpi": by_mpi,
        "slurm": lambda: by_slurm(1),
    }
    find = places.get(str(cfg.get("launcher")))
    if find is None:
        return 0, 1
    try:
        place = find()
    except Exception:  # joining the others says what is missing
        return 0, 1
    return place.rank, place.world_size


def _agree(cfg: Config, report: Report | None) -> None:
    """Join the others, and tell them of faults, or be told."""
    settings = cfg.get("env_cfg") or {}
    try:
        SingleDeviceStrategy().setup_environment(cfg.launcher, settings.get("dist_cfg"))
    except Exception:
        if report is not None:
            require_none(report.faults)  # one of which it may be
        raise
    faults: list[int] = [0 if report is None else len(report.faults)]
    broadcast_object_list(faults)
    if faults[0] and report is None:
        raise UserMistake(
            f"the main process refuses the configuration, for {_count(faults[0])}, which it tells"
        )


def _count(faults: int) -> str:
    return "a fault" if faults == 1 else f"{faults} faults"
