"""A strategy: where a model lives, and how its state is saved and taken back.

The life of a run, as every strategy answers it::

    strategy.setup_environment(launcher)          # process group, device
    model, optimizer = strategy.prepare(model, make_optimizer)
    ...                                           # the loops train
    strategy.save_checkpoint(state, path)         # every process calls it
    state = strategy.load_checkpoint(path)

It builds nothing from a configuration: it is given callables, so that a strategy that shards can do
so before the optimizer exists.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from engine_dist.checkpoint import load_checkpoint_file, save_checkpoint
from engine_dist.devices import get_device
from engine_dist.launch import init_dist
from engine_dist.ranks import barrier, is_distributed, is_main_process
from engine_dist.wrappers.unwrapping import unwrap

__all__ = ["Prepared", "Strategy"]

O = TypeVar("O")  # noqa: E741  # the optimizer, whatever the caller makes


@dataclass(frozen=True)
class Prepared(Generic[O]):
    """A model in its place, and its optimizer."""

    model: nn.Module
    optimizer: O | None


class Strategy(ABC):
    """Base of all strategies.

    Parameters
    ----------
    device : str or torch.device, optional
        Where the model goes; by default this process' accelerator, or the CPU.
    """

    def __init__(self, device: str | torch.device | None = None) -> None:
        self._device = device

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return torch.device(get_device() if self._device is None else self._device)

    def setup_environment(
        self, launcher: str = "none", dist_cfg: Mapping[str, Any] | None = None
    ) -> None:
        """Join the other processes; nothing where ``launcher`` is ``none`` or a group exists.

        Parameters
        ----------
        launcher : {"none", "pytorch", "slurm", "mpi"}
            Who started the processes.
        dist_cfg : Mapping, optional
            Arguments of `init_dist`. The backend ``nccl`` becomes ``gloo`` where there is no CUDA.
        """
        if launcher == "none" or is_distributed():
            return
        settings = dict(dist_cfg or {})
        if settings.get("backend", "nccl") == "nccl" and not torch.cuda.is_available():
            settings["backend"] = "gloo"
        init_dist(launcher, **settings)

    def prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]:
        """Put a model in its place, wrap it, then let ``make_optimizer`` see the wrapped model."""
        model = self.wrap(model.to(self.device))
        return Prepared(model, None if make_optimizer is None else make_optimizer(model))

    @abstractmethod
    def wrap(self, model: nn.Module) -> nn.Module:
        """Wrap a model that is on its device; return it as it is where nothing is to be done."""

    def model_state_dict(self, model: nn.Module) -> dict[str, Any]:
        """Return the state of the user's module, the same whatever wraps it."""
        return unwrap(model).state_dict()

    def save_checkpoint(self, state: Mapping[str, Any], path: str | Path) -> None:
        """Write ``state`` to ``path`` once for all processes, and return when it is there."""
        if is_main_process():
            save_checkpoint(dict(state), str(path))
        barrier()

    def load_checkpoint(
        self, path: str | Path, map_location: str | torch.device = "cpu"
    ) -> dict[str, Any]:
        """Read a checkpoint; every process reads the file."""
        return load_checkpoint_file(str(path), map_location=map_location)
