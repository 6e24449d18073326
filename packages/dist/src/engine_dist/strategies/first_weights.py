"""What strategies that split a model do before: a job is asked for, and first weights are set."""

from __future__ import annotations

from torch import nn

from engine_dist.ranks import is_distributed

__all__ = ["require_job", "set_first_weights"]


def require_job(strategy: str) -> None:
    """Refuse to split a model over one process.

    Raises
    ------
    RuntimeError
    """
    if not is_distributed():
        raise RuntimeError(
            f"{strategy} splits a model over processes, and this one has joined none: start the "
            "job by torchrun (or srun, mpirun) and give its launcher='pytorch' ('slurm', "
            "'mpi'), or use SingleDeviceStrategy"
        )


def set_first_weights(model: nn.Module) -> None:
    """Let a model set its first weights, as it can only while whole."""
    initialise_weights = getattr(model, "init_weights", None)
    if initialise_weights is not None:
        initialise_weights()
