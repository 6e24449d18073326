"""The process before anything is built: other processes, threads, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from engine_dist.strategies import Strategy
from engine_runner.process.children import set_multi_processing
from engine_runner.process.preempted import PreemptionSettings
from engine_runner.process.randomness import refuse_unknown

__all__ = ["setup_environment"]


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
    unset = {"mp_start_method": None, "opencv_num_threads": None}
    set_multi_processing(**{**unset, **env_cfg.get("mp_cfg", {})})
    if "resource_limit" in env_cfg:
        _raise_open_files(int(env_cfg["resource_limit"]))
    strategy.setup_environment(launcher, env_cfg.get("dist_cfg"))


def _raise_open_files(limit: int) -> None:
    try:
        import resource  # not on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, limit if hard == resource.RLIM_INFINITY else min(limit, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
