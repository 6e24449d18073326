"""What a strategy holds, saved and taken up under MMEngine's names."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.checkpoint.forms import FormName
from engine_dist.checkpoint.matching import STRIP_MODULE, revise
from engine_dist.checkpoint.splits import Like
from engine_dist.strategies.state_io import likeness
from engine_dist.strategies.strategy import Strategy

__all__ = ["Holding"]

Keys = Sequence[tuple[str, str]] | None
Callback = Callable[[dict[str, Any]], object] | None


class Holding(Strategy):
    """A strategy that may hold a model and what changes it, and then saves and loads those.

    Attributes
    ----------
    model, optim_wrapper, param_schedulers
        What it holds; not there before it is prepared so.
    """

    model: nn.Module
    optim_wrapper: Any
    param_schedulers: Any

    @property
    def seed(self) -> int | None:
        """The seed of the run."""
        return None

    # ------------------------------------------------------------------------- states

    def model_state_dict(self, model: nn.Module | None = None) -> dict[str, Any]:
        """Return the state of the user's module, the same whatever wraps it.

        ``model`` is by default what the strategy holds.
        """
        return self._state_of(self.model if model is None else model)

    def _state_of(self, model: nn.Module) -> dict[str, Any]:
        """Return the state of a model, as each strategy does."""
        return super().model_state_dict(model)

    def optim_state_dict(self) -> dict[str, Any]:
        """Return the state of the optimizer wrapper."""
        state: dict[str, Any] = self.optim_wrapper.state_dict()
        return state

    def scheduler_state_dict(self) -> Any:
        """Return the states of the schedules: a list, or of several optimizers such by name."""
        return _each(self.param_schedulers, lambda scheduler: scheduler.state_dict())

    def load_model_state_dict(
        self,
        model: nn.Module | Mapping[str, Any] | None = None,
        state_dict: Mapping[str, Any] | None = None,
        strict: bool = False,
        logger: logging.Logger | str | None = None,
        *,
        revise_keys: Keys = None,
    ) -> None:
        """Give the user's module a state, whatever wraps it; see `load_state_dict`.

        Parameters
        ----------
        model : nn.Module, optional
            The model; by default what the strategy holds. A state may stand in its place.
        state_dict : Mapping
            The state.
        strict : bool
            Refuse one that does not fit in all.
        logger : logging.Logger or str, optional
            Who is told what did not fit.
        revise_keys : sequence of tuple, optional
            Patterns in names, and what they become; by default a ``module.`` before is taken off.
        """
        if isinstance(model, Mapping):
            model, state_dict = None, model
        given = state_dict if state_dict is not None else {}
        if model is None:
            given = revise(given, STRIP_MODULE if revise_keys is None else revise_keys)
        self._give(self.model if model is None else model, given, strict, logger)

    def _give(
        self,
        model: nn.Module,
        state_dict: Mapping[str, Any],
        strict: bool,
        logger: logging.Logger | str | None,
    ) -> None:
        """Give a model a state, as each strategy does."""
        super().load_model_state_dict(model, state_dict, strict, logger)

    def load_optim_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Give the optimizer wrapper a state."""
        self.optim_wrapper.load_state_dict(state_dict)

    def load_scheduler_state_dict(self, state_dict: Any) -> None:
        """Give the schedules their states."""
        held = self.param_schedulers
        pairs = [(held[name], state_dict[name]) for name in held] if isinstance(held, Mapping) else [(held, state_dict)]  # fmt: skip
        for schedulers, states in pairs:
            for scheduler, state in zip(schedulers, states, strict=True):
                scheduler.load_state_dict(state)

    # -------------------------------------------------------------------- checkpoints

    def save_checkpoint(
        self,
        filename: Mapping[str, Any] | str | Path,
        path: str | Path | None = None,
        backend_args: Mapping[str, Any] | None = None,
        *,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        extra_ckpt: Mapping[str, Any] | None = None,
        callback: Callback = None,
        form: FormName = "single",
        saver: AsyncSaver | None = None,
    ) -> None:
        """Write what is held, or a state that is given, once for all processes.

        Parameters
        ----------
        filename : str, Path or Mapping
            Where to; or the state, which `path` then says where to.
        path, backend_args, form, saver
            As `Strategy.save_checkpoint` has them.
        save_optimizer, save_param_scheduler : bool
            Whether what is held of these is written.
        extra_ckpt : Mapping, optional
            Entries beside; of its ``meta`` the seed and the time are added.
        callback : callable, optional
            Sees, and may change, what is to be written.
        """
        if isinstance(filename, Mapping):
            if path is None:
                raise TypeError("save_checkpoint(state, path) lacks the path")
            super().save_checkpoint(filename, path, backend_args, form=form, saver=saver)
            return
        if path is not None:
            raise TypeError(f"save_checkpoint takes a state before a path, got {filename!r}")
        state = self._held_state(save_optimizer, save_param_scheduler)
        state.update(extra_ckpt or {})
        now = time.strftime("%Y%m%d_%H%M%S")
        state["meta"] = {**state.get("meta", {}), "seed": self.seed, "time": now}
        if callback is not None:
            callback(state)
        super().save_checkpoint(state, filename, backend_args, form=form, saver=saver)

    def _weights_held(self) -> dict[str, Any]:
        return self.model_state_dict()

    def _held_state(self, optimizer: bool, schedulers: bool) -> dict[str, Any]:
        state: dict[str, Any] = {"state_dict": self._weights_held()}
        if optimizer and hasattr(self, "optim_wrapper"):
            state["optimizer"] = self.optim_state_dict()
        if schedulers and hasattr(self, "param_schedulers"):
            state["param_schedulers"] = self.scheduler_state_dict()
        return state

    def load_checkpoint(
        self,
        filename: str | Path,
        map_location: str | torch.device = "cpu",
        strict: bool = False,
        revise_keys: Keys = None,
        callback: Callback = None,
        *,
        like: Like | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint and, where a model is held, give it the weights; every process calls it.

        Parameters
        ----------
        filename : str or Path
            A file, a folder, or a name with a scheme.
        map_location : str or torch.device
            Where tensors go.
        strict, revise_keys
            As `load_model_state_dict` has them.
        callback : callable, optional
            Sees, and may change, what was read.
        like : callable, optional
            As `Strategy.load_checkpoint` has it: given, what was read is only returned.

        Returns
        -------
        dict
            The checkpoint, without the weights where these were taken up.
        """
        if like is not None or not hasattr(self, "model"):
            return super().load_checkpoint(filename, map_location, like=like)
        state = super().load_checkpoint(filename, map_location, like=self._likeness())
        return self._take_up(state, strict, revise_keys, callback)

    def _likeness(self) -> Like | None:
        return likeness(self.model, getattr(self, "optim_wrapper", None))

    def _take_up(
        self, state: dict[str, Any], strict: bool, revise_keys: Keys, callback: Callback
    ) -> dict[str, Any]:
        if callback is not None:
            callback(state)
        weights = state.pop("state_dict", {})
        self.load_model_state_dict(weights, strict=strict, revise_keys=revise_keys)
        return state

    def resume(
        self,
        filename: str | Path,
        *,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | torch.device = "default",
        callback: Callback = None,
    ) -> dict[str, Any]:
        """Let what is held go on from a checkpoint; every process calls it.

        Parameters
        ----------
        filename : str or Path
            The checkpoint.
        resume_optimizer, resume_param_scheduler : bool
            Whether these go on, too.
        map_location : str or torch.device
            Where tensors are read to; by default where the model is.
        callback : callable, optional
            Sees, and may change, what was read.

        Returns
        -------
        dict
            The checkpoint, without what was taken up.
        """
        where = self.device if map_location == "default" else map_location
        state = self.resume_checkpoint(
            filename, where, optimizer=resume_optimizer, like=self._likeness()
        )
        state = self._take_up(state, False, None, callback)
        if resume_optimizer and hasattr(self, "optim_wrapper"):
            self.load_optim_state_dict(state.pop("optimizer"))
        if resume_param_scheduler and hasattr(self, "param_schedulers"):
            self.load_scheduler_state_dict(state.pop("param_schedulers"))
        self._take_up_seed(state.get("meta", {}).get("seed"))
        return state

    def _take_up_seed(self, seed: int | None) -> None:
        """Draw as a run of a seed would have begun to."""

    def resume_checkpoint(
        self,
        path: str | Path,
        map_location: str | torch.device = "cpu",
        *,
        optimizer: bool = True,
        like: Like | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint that training is to go on from; see `Strategy.resume_checkpoint`."""
        return self.state_io.load(path, map_location, like)


def _each(held: Any, ask: Callable[[Any], Any]) -> Any:
    if isinstance(held, Mapping):
        return {name: _each(own, ask) for name, own in held.items()}
    return [ask(one) for one in held]
