"""Where the model is to live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine_dist.strategies import BaseStrategy, DDPStrategy, SingleDeviceStrategy, Strategy
from engine_dist.strategies.job import Job
from engine_registry import STRATEGIES, build_as

__all__ = ["as_strategy", "join", "length_of", "strategy_of_launcher"]


def strategy_of_launcher(launcher: str, settings: Mapping[str, Any]) -> Strategy:
    """Return the strategy for a launcher: one device, or data parallelism over the processes.

    Parameters
    ----------
    launcher : str
        Who started the processes, or ``none``.
    settings : Mapping
        A run's configuration, of which ``model_wrapper_cfg`` counts and, without it,
        ``find_unused_parameters``; and ``sync_bn``.
    """
    if launcher == "none":
        return SingleDeviceStrategy()
    wrapper = settings.get("model_wrapper_cfg")
    if wrapper is None:
        wrapper = {"find_unused_parameters": settings.get("find_unused_parameters", False)}
    return DDPStrategy(wrapper, settings.get("sync_bn"))


def as_strategy(value: Any, launcher: str) -> Strategy:
    """Return a strategy from one, from its configuration, or by default for a launcher."""
    if value is None:
        return strategy_of_launcher(launcher, {})
    return build_as(STRATEGIES, value, Strategy)


def join(run: Any, randomness: Mapping[str, Any]) -> None:
    """Tell the strategy of a run of its names, folders and seed, where it answers for them."""
    if isinstance(run.strategy, BaseStrategy):
        job = Job(
            run.work_dir, run.log_dir, run.experiment_name, run.timestamp, run.launcher,
            dict(randomness), run.seed,
        )  # fmt: skip
        run.strategy.join_run(job, run.auto_scale_lr)


def length_of(loop: Any) -> dict[str, Any]:
    """Return how long a training is, as MMEngine's strategies are told it."""
    loader = loop.dataloader
    return {
        "epoch_length": len(loader) if hasattr(loader, "__len__") else None,
        "max_epochs": loop.max_epochs,
        "max_iters": loop.max_iters,
        "train_micro_batch_size_per_gpu": getattr(loader, "batch_size", None),
    }
