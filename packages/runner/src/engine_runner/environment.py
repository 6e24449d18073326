"""The process before anything is built: processes, seeds, threads, limits."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from engine_dist import broadcast, set_random_seed, sync_random_seed
from engine_dist.strategies import Strategy

__all__ = ["Randomness", "run_timestamp", "setup_environment"]

logger = logging.getLogger("engine.runner")


@dataclass(frozen=True)
class Randomness:
    """How a run draws its random numbers.

    Parameters
    ----------
    seed : int, optional
        The seed; by default one is drawn, the same on every rank.
    diff_rank_seed : bool, default False
        Give every rank a stream of its own.
    deterministic : bool, default False
        Refuse algorithms that may give another result for the same input.
    """

    seed: int | None = None
    diff_rank_seed: bool = False
    deterministic: bool = False

    @classmethod
    def from_cfg(cls, cfg: Mapping[str, Any] | None) -> Randomness:
        """Take the parameters from a configuration.

        Raises
        ------
        ValueError
            For any other key.
        """
        settings = dict(cfg or {})
        _refuse_unknown("randomness", settings, *(field.name for field in fields(cls)))
        return cls(**settings)

    def apply(self) -> int:
        """Seed every generator; return the seed that all ranks share."""
        seed = sync_random_seed() if self.seed is None else self.seed
        set_random_seed(seed, self.deterministic, self.diff_rank_seed)
        return seed


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
        (``mp_start_method``, ``opencv_num_threads``), ``resource_limit`` (open files).

    Raises
    ------
    ValueError
        For any other key.
    """
    _refuse_unknown("env_cfg", env_cfg, "cudnn_benchmark", "dist_cfg", "mp_cfg", "resource_limit")
    if env_cfg.get("cudnn_benchmark"):
        torch.backends.cudnn.benchmark = True
    _set_multiprocessing(**env_cfg.get("mp_cfg", {}))
    if "resource_limit" in env_cfg:
        _raise_open_files(int(env_cfg["resource_limit"]))
    strategy.setup_environment(launcher, env_cfg.get("dist_cfg"))


def _refuse_unknown(name: str, given: Iterable[str], *known: str) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(
            f"{name} has unknown keys {', '.join(unknown)}; it takes {', '.join(known)}"
        )


def _set_multiprocessing(
    mp_start_method: str | None = None, opencv_num_threads: int | None = None
) -> None:
    current = multiprocessing.get_start_method(allow_none=True)
    if mp_start_method is not None and current != mp_start_method:
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


def run_timestamp() -> str:
    """Return the time as ``YYYYmmdd_HHMMSS``, the main process' on every rank."""
    seconds = torch.tensor(time.time(), dtype=torch.float64)
    broadcast(seconds)
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(seconds.item()))
