"""The process before anything is built: other processes, threads, limits."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Mapping
from typing import Any

import torch

from engine_dist.strategies import Strategy
from engine_runner.process.preempted import PreemptionSettings
from engine_runner.process.randomness import refuse_unknown

__all__ = ["setup_environment"]

logger = logging.getLogger("engine.runner")


def setup_environment(strategy: Strategy, launcher: str, env_cfg: Mapping[str, Any]) -> None:
    """Join the other processes and set what the whole process shares.

    Parameters
    ----------
    strategy : Strategy
        What joins the processes.
    launcher : str
        Who started them, or ``none``.
    env_cfg : Mapping
        ``cudnn_benchmark`` (bool), ``dist_cfg`` (arguments of `init_dist`), ``mp_cfg``
        (``mp_start_method``, ``opencv_num_threads``), ``resource_limit`` (open files), ``preemption``
        (see `PreemptionSettings`).

    Raises
    ------
    ValueError
        For any other key.
    """
    known = ("cudnn_benchmark", "dist_cfg", "mp_cfg", "resource_limit", "preemption")
    refuse_unknown("env_cfg", env_cfg, *known)
    PreemptionSettings.of(env_cfg.get("preemption"))
    if env_cfg.get("cudnn_benchmark"):
        torch.backends.cudnn.benchmark = True
    _set_multiprocessing(**env_cfg.get("mp_cfg", {}))
    if "resource_limit" in env_cfg:
        _raise_open_files(int(env_cfg["resource_limit"]))
    strategy.setup_environment(launcher, env_cfg.get("dist_cfg"))


def _set_multiprocessing(
    mp_start_method: str | None = None, opencv_num_threads: int | None = None
) -> None:
    current = multiprocessing.get_start_method(allow_none=True)
    if mp_start_method == "fork" and "fork" not in multiprocessing.get_all_start_methods():
        logger.info("this system forks no processes; they start by its own way")  # Windows
    elif mp_start_method is not None and current != mp_start_method:
        if current is not None:
            logger.info("processes start by %r instead of %r", mp_start_method, current)
        multiprocessing.set_start_method(mp_start_method, force=True)
    if opencv_num_threads is not None:
        try:
            import cv2  # optional: only where the user's transforms bring it
        except ImportError:
            return
        cv2.setNumThreads(opencv_num_threads)


def _raise_open_files(limit: int) -> None:
    try:
        import resource  # not on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, limit if hard == resource.RLIM_INFINITY else min(limit, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
