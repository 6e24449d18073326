"""Where the model is to live: whether this job is one that the strategy can run in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine_dist.strategies import DDPStrategy, FSDPStrategy, SingleDeviceStrategy
from engine_runner.assembly.strategies import as_strategy
from engine_runner.checks.telling import fault_of
from engine_runner.checks.trial import Finding, Trial

__all__ = ["layers_to_split", "strategy"]


def layers_to_split(trial: Trial) -> Iterator[Finding]:
    """Yield why the layers of the model cannot be split as the strategy is to split them."""
    split, made = getattr(trial.parts.strategy, "tensor_parallel", None), trial.parts.model
    if split is None or made is None:
        return
    try:
        split.fitting(made, split.size or trial.world_size)
    except ValueError as error:
        yield trial.at("strategy", str(error))


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
    split = getattr(made, "tensor_parallel", None)
    if split is not None and trial.world_size > 1:  # else it is not known, or said above
        try:
            split.neighbours(trial.world_size)
        except ValueError as error:
            yield trial.at("strategy", str(error))
            return
    trial.parts.strategy = made
    if isinstance(made, SingleDeviceStrategy) and trial.world_size > 1:
        yield trial.at(
            "strategy",
            f"SingleDeviceStrategy trains on one device, and {trial.world_size} processes were "
            "started: each would train on its own; use DDPStrategy",
        )
