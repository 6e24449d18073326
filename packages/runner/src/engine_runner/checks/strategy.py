"""Where the model is to live: whether this job is one that the strategy can run in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine_dist.strategies import DDPStrategy, FSDPStrategy, SingleDeviceStrategy
from engine_runner.assembly.strategies import as_strategy
from engine_runner.checks.telling import fault_of
from engine_runner.checks.trial import Finding, Trial

__all__ = ["strategy"]


def strategy(trial: Trial) -> Iterator[Finding]:
    """Yield why the strategy cannot be made, or not be used in this job."""
    given, launcher = trial.given("strategy"), trial.given("launcher") or "none"
    if not isinstance(given, Mapping) or not trial.is_sound("strategy", "launcher"):
        return
    try:
        made = as_strategy(given, launcher)
    except Exception as error:
        yield fault_of(trial, error, "strategy", "the strategy cannot be made: ")
        return
    if isinstance(made, (DDPStrategy, FSDPStrategy)) and launcher == "none":
        yield trial.at(
            "strategy",
            f"{type(made).__name__} is for several processes, and launcher is 'none': start the job "
            "by torchrun (or srun, mpirun) with launcher='pytorch' ('slurm', 'mpi'), or use "
            "SingleDeviceStrategy",
        )
    if isinstance(made, SingleDeviceStrategy) and trial.world_size > 1:
        yield trial.at(
            "strategy",
            f"SingleDeviceStrategy trains on one device, and {trial.world_size} processes were "
            "started: each would train on its own; use DDPStrategy",
        )
