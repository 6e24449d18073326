"""When and as what a run was started."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from engine_config import Config
from engine_dist import broadcast
from engine_runner.logging import MessageHub

__all__ = ["experiment_name", "run_timestamp"]


def run_timestamp() -> str:
    """Return the time as ``YYYYmmdd_HHMMSS``, the main process' on every rank."""
    seconds = torch.tensor(time.time(), dtype=torch.float64)
    broadcast(seconds)
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(seconds.item()))


def experiment_name(given: str | None, cfg: Config, timestamp: str) -> str:
    """Return the name that was given, or one of the configuration's file and the time."""
    if given is not None:
        return given
    name = f"{Path(cfg.filename).stem if cfg.filename else 'run'}_{timestamp}"
    # two runs of one process that start in one second are two runs
    unique, count = name, 2
    while MessageHub.check_instance_created(unique):
        unique, count = f"{name}-{count}", count + 1
    return unique
