"""A strategy: where a model lives, and how its state is saved and taken back.

The life of a run, as every strategy answers it::

    strategy.setup_environment(launcher)          # process group, device
    with strategy.building():
        model = ...                               # of the caller's
    model, optimizer = strategy.prepare(model, make_optimizer)
    ...                                           # the loops train
    strategy.save_checkpoint(state, path)         # every process calls it
    state = strategy.load_checkpoint(path)

It builds nothing from a configuration: it is given callables, so that a strategy that shards can do
so before the optimizer exists. What it does is composed of roles, one variant a file:

- `wrapping` says what the model becomes;
- `precision`, in which types it is kept and computed with;
- `activation`, how its modules are run: recomputed, compiled;
- `state_io`, how a state gets to a file and back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn

from engine_dist.capabilities import require_optimizers
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.forms import FormName
from engine_dist.checkpoint.matching import load_state_dict
from engine_dist.checkpoint.splits import Like
from engine_dist.collectives import broadcast
from engine_dist.data_parallel import share_data
from engine_dist.devices import get_device
from engine_dist.late import is_dtensor
from engine_dist.launch import init_dist
from engine_dist.ranks import is_distributed
from engine_dist.strategies.activation import Activation
from engine_dist.strategies.precision import AsIs, Precision
from engine_dist.strategies.state_io import CommonState, StateIO
from engine_dist.strategies.wrapping import Unwrapped, Wrapping
from engine_dist.wrappers.unwrapping import unwrap

__all__ = ["Prepared", "Strategy"]

O = TypeVar("O")  # noqa: E741  # the optimizer, whatever the caller makes


@dataclass(frozen=True)
class Prepared(Generic[O]):
    """A model in its place, and its optimizer."""

    model: nn.Module
    optimizer: O | None


class Strategy:
    """Base of all strategies.

    Parameters
    ----------
    device : str or torch.device, optional
        Where the model goes; by default this process' accelerator, or the CPU.
    wrapping : Wrapping, optional
        What the model becomes; by default it stays as it is.
    precision : `engine_dist.strategies.precision.Precision`, optional
        The types it is kept in; by default those that it has.
    activation : sequence of Activation
        How its modules are run, in the order in which they are changed.
    state_io : StateIO, optional
        How a state gets to a file and back; by default in the forms that all share.
    """

    #: the optimizer wrapper that this strategy needs, where a configuration names none
    optim_wrapper_type: ClassVar[str | None] = None

    def __init__(
        self,
        device: str | torch.device | None = None,
        *,
        wrapping: Wrapping | None = None,
        precision: Precision | None = None,
        activation: Sequence[Activation] = (),
        state_io: StateIO | None = None,
    ) -> None:
        self._device = device
        self.wrapping = Unwrapped() if wrapping is None else wrapping
        self.precision = AsIs() if precision is None else precision
        self.activation = tuple(activation)
        self.state_io = CommonState() if state_io is None else state_io
        self._in_place: nn.Module | None = None

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return torch.device(get_device() if self._device is None else self._device)

    @property
    def forward_is_collective(self) -> bool:
        """Whether a forward pass, also of validation, needs all processes: then all make as many."""
        return self.wrapping.forward_is_collective

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
        if launcher != "none" and not is_distributed():
            settings = dict(dist_cfg or {})
            if settings.get("backend", "nccl") == "nccl" and not torch.cuda.is_available():
                settings["backend"] = "gloo"
            init_dist(launcher, **settings)
        self._share_data()

    def neighbours(self) -> int:
        """Return how many processes compute one batch together, and so share their data."""
        return 1

    def _share_data(self) -> None:
        if is_distributed():
            share_data(self.neighbours())

    def prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]:
        """Put a model in its place, wrap it, then let ``make_optimizer`` see the wrapped model.

        A model that is in its place already stays there.

        Raises
        ------
        CapabilityError
            If this strategy cannot train by that optimizer.
        """
        self._share_data()
        if model is not self._in_place:
            model = self._in_place = self._put_in_place(model)
        made = None if make_optimizer is None else make_optimizer(model)
        self._require_optimizers(made)
        return Prepared(model, made)

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called in the table of `engine_dist.capabilities`, the most special name first."""
        return tuple(kind.__name__ for kind in type(self).__mro__)

    def _require_optimizers(self, made: Any) -> None:
        require_optimizers(self.names, made)

    def _put_in_place(self, model: nn.Module) -> nn.Module:
        for activation in self.activation:
            activation.apply(model)
        model = self.wrap(self.wrapping.place(self.precision.cast(model), self.device))
        self.precision.check(model)
        return model

    def wrap(self, model: nn.Module) -> nn.Module:
        """Wrap a model that is on its device; return it as it is where nothing is to be done."""
        return self.wrapping.wrap(model)

    def building(self) -> AbstractContextManager[None]:
        """Return the context in which a model is to be built that this strategy is to train."""
        return nullcontext()

    def initialise(self, model: nn.Module) -> None:
        """Let a prepared model that can set its first weights do so, the same on every process."""
        initialise_weights = getattr(unwrap(model), "init_weights", None)
        if initialise_weights is None:
            return
        initialise_weights()
        for tensor in unwrap(model).state_dict().values():
            if not is_dtensor(tensor):  # of a split one each process has set its own part
                broadcast(tensor)

    def model_state_dict(self, model: nn.Module) -> dict[str, Any]:
        """Return the state of the user's module, the same whatever wraps it."""
        return unwrap(model).state_dict()

    def weights_to_save(self, model: nn.Module) -> dict[str, Any]:
        """Return what a state that goes to `save_checkpoint` holds of the model.

        Nothing, where that writes the weights by itself.
        """
        return self.model_state_dict(model)

    def load_model_state_dict(
        self,
        model: nn.Module,
        state_dict: Mapping[str, Any],
        strict: bool = False,
        logger: logging.Logger | str | None = None,
    ) -> None:
        """Give the user's module a state, whatever wraps it; see `load_state_dict`."""
        load_state_dict(unwrap(model), state_dict, strict=strict, logger=logger)

    def save_checkpoint(
        self,
        state: Mapping[str, Any],
        path: str | Path,
        backend_args: Mapping[str, Any] | None = None,
        *,
        form: FormName = "single",
        saver: AsyncSaver | None = None,
    ) -> None:
        """Write ``state`` to ``path`` once for all processes, and return when it is there.

        Parameters
        ----------
        state : Mapping
            Tensors, split over processes too, and plain values.
        path : str or Path
            Where to.
        backend_args : Mapping, optional
            For the storage of a path with a scheme.
        form : {"single", "sharded"}
            One file, or a folder that every process writes its part of.
        saver : AsyncSaver, optional
            Writes in the background: this returns when the state is copied, and the saver tells
            what failed.

        Raises
        ------
        UnwritableError
            On every process, if the system or the storage does not let it be written.
        CheckpointError
            On every process, if the state cannot be saved.
        """
        self.state_io.save(state, path, backend_args, form, saver)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: str | torch.device = "cpu",
        *,
        like: Like | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint of any form; every process calls it.

        Parameters
        ----------
        path : str or Path
            A file, a folder, or a name with a scheme.
        map_location : str or torch.device
            Where tensors go.
        like : callable, optional
            Returns, of what stands somewhere in it, a tensor of this process that it is to be
            split like; see `engine_dist.checkpoint.splits.load_like`.
        """
        return self.state_io.load(path, map_location, like)

    def resume_checkpoint(
        self,
        path: str | Path,
        map_location: str | torch.device = "cpu",
        *,
        optimizer: bool = True,
        like: Like | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint that training is to go on from; every process calls it.

        What of it the state does not hold, `load_model_state_dict` takes up, which follows.

        Parameters
        ----------
        path : str or Path
            The checkpoint.
        map_location : str or torch.device
            Where tensors are read to.
        optimizer : bool
            Whether the optimizer is to go on, too.
        like : callable, optional
            As for :meth:`load_checkpoint`.
        """
        if like is None:
            return self.load_checkpoint(path, map_location)
        return self.load_checkpoint(path, map_location, like=like)
