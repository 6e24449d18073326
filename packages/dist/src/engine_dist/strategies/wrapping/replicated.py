"""One replica a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Literal

from torch import nn

from engine_dist.ranks import is_distributed
from engine_dist.strategies.wrapping.wrapping import Wrapping
from engine_dist.wrappers.sync_batch_norm import convert_sync_batchnorm
from engine_registry import MODEL_WRAPPERS, build_as

__all__ = ["Replicated", "Wrap"]

Wrap = Callable[[nn.Module], nn.Module]


class Replicated(Wrapping):
    """Wraps a model so that the gradients of its replicas are averaged.

    Parameters
    ----------
    model_wrapper : Mapping or callable
        The configuration of one of ``MODEL_WRAPPERS``, by default an `MMDistributedDataParallel`,
        or a function of the model.
    sync_bn : {"torch", "mmcv"}, optional
        Normalise over the batches of all processes; see `convert_sync_batchnorm`.
    """

    def __init__(
        self, model_wrapper: Mapping[str, Any] | Wrap, sync_bn: Literal["torch", "mmcv"] | None
    ) -> None:
        self._wrapper = _as_wrap(model_wrapper)
        self._sync_bn = sync_bn

    def wrap(self, model: nn.Module) -> nn.Module:
        """Wrap the model, unless there is nothing to average.

        Raises
        ------
        RuntimeError
            If the process has joined no others.
        """
        model = self.convert(model)
        if not any(p.requires_grad for p in model.parameters()):
            return model
        if not is_distributed():
            raise RuntimeError(
                "data parallelism averages over processes, and this one has joined none: start "
                "the job by torchrun (or srun, mpirun) and give its launcher='pytorch' ('slurm', "
                "'mpi'), or use SingleDeviceStrategy"
            )
        return self._wrapper(model)

    def convert(self, model: nn.Module) -> nn.Module:
        """Return the model with the batch norms that ``sync_bn`` asks for."""
        return model if self._sync_bn is None else convert_sync_batchnorm(model, self._sync_bn)


def _as_wrap(value: Mapping[str, Any] | Wrap) -> Wrap:
    if not isinstance(value, Mapping):
        return value
    settings: Any = copy(value)  # a copy knows, as the original, where it was written
    if "type" not in settings:
        settings["type"] = "MMDistributedDataParallel"
    if settings["type"] == "MMDistributedDataParallel":
        settings.setdefault("broadcast_buffers", False)
    return lambda model: build_as(MODEL_WRAPPERS, settings, nn.Module, module=model)
