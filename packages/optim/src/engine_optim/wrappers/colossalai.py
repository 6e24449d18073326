"""A wrapper for an optimizer that ColossalAI's booster drives; the library is not imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, distributed

from engine_optim.errors import OptimError
from engine_optim.wrappers.optim_wrapper import OptimWrapper
from engine_optim.wrappers.state import check_state
from engine_registry import OPTIM_WRAPPERS

__all__ = ["ColossalAIOptimWrapper"]


@OPTIM_WRAPPERS.register_module()
class ColossalAIOptimWrapper(OptimWrapper):
    """Hand losses to a booster's ``backward``; accumulate without exchange where it can.

    Where the booster's optimizer shares gradients out over processes (all plug-ins but
    ``TorchDDPPlugin``), that clips them, too, and the norm before is reported as ``grad_norm``.

    Parameters
    ----------
    optimizer
        The optimizer, before or after the booster wrapped it.
    booster
        An object with ``backward(loss, optimizer)``; set it as an attribute once it exists.
    accumulative_counts
        Number of losses whose gradients make one step.
    clip_grad
        As `OptimWrapper` has it; where the booster's optimizer clips, by norm alone.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        booster: Any = None,
        accumulative_counts: int = 1,
        clip_grad: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(optimizer, accumulative_counts, clip_grad)
        self.booster = booster
        self._pieces: Any = None
        self._shares = self._in_files = False

    def take(
        self,
        booster: Any,
        optimizer: Any,
        *,
        shares: bool,
        pieces: Any = None,
        in_files: bool = False,
    ) -> None:
        """Go on with what a booster made of the optimizer.

        Parameters
        ----------
        booster
            It computes gradients.
        optimizer
            What it made of this wrapper's.
        shares : bool
            Whether that shares gradients out over processes, and so clips by itself.
        pieces
            Has the optimizer's state whole, as ``state_dict``, ``load_state_dict`` and ``like``,
            an optimizer of whole parameters; without it, the optimizer does.
        in_files : bool
            Whether its state is saved in files of the booster's, and so not here.
        """
        self.booster, self.optimizer = booster, optimizer
        self._shares, self._pieces, self._in_files = shares, pieces, in_files
        if shares:
            self.clip = None

    def update_params(
        self,
        loss: Tensor,
        step_kwargs: dict[str, Any] | None = None,
        zero_kwargs: dict[str, Any] | None = None,
        *,
        count: float | Tensor | None = None,
    ) -> None:
        """Compute gradients and, when it is due, make the step; see `OptimWrapper.update_params`.

        Raises
        ------
        OptimError
            If losses are weighed by ``count`` and the optimizer shows no gradients: Gemini's.
        """
        if count is not None and self._shares and not self._shows_grads:
            raise OptimError(
                f"{type(self.optimizer).__name__} keeps gradients where nothing weighs them: leave "
                "count= out, or train by LowLevelZeroPlugin"
            )
        super().update_params(loss, step_kwargs, zero_kwargs, count=count)

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Run the forward pass in it: gradients are exchanged only when a step follows."""
        self.watch(model)
        with self._quiet(self.should_sync()):
            yield

    def watch(self, model: torch.nn.Module) -> None:
        """Learn what is trained, and that its ranks average their gradients."""
        super().watch(model)
        if self.booster is not None:
            self.items.parallel = distributed.is_available() and distributed.is_initialized()

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Let the booster compute gradients; without one, do it as usual."""
        if self.booster is None:
            super().backward(loss, **kwargs)
            return
        with self._quiet(self.should_sync()):  # some look for it forward, some backward
            self.booster.backward(loss, self.optimizer)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        """Finish the gradients and let the booster's optimizer make the step."""
        super().step(**kwargs)
        # of losses that are scaled, the norm is that of the scaled gradients
        scaled = hasattr(getattr(self.optimizer, "mixed_precision_mixin", None), "loss_scale")
        if self._shares and not scaled:
            norm = self.optimizer.get_grad_norm()
            if norm is not None:
                self.report("grad_norm", norm)

    def prepare_grads(self) -> bool:
        """Do to the gradients what comes before the step, once they are of the losses' scale."""
        if hasattr(self.optimizer, "scaler") and (self.clip or self.items.pending):
            self.optimizer.unscale_grad()
        return super().prepare_grads()

    def params_with_grad(self) -> list[Tensor]:
        """Return what has gradients: the parameters, or this process' pieces of them."""
        if not self._shares:
            return super().params_with_grad()
        pieces = []
        for index in range(len(self.optimizer.param_groups)):
            for grad in self.optimizer.get_working_grads_by_group_id(index):
                piece = grad.detach()
                piece.grad = grad
                pieces.append(piece)
        return pieces

    def accumulation_state(self) -> dict[str, Any] | None:
        """Return what is gathered for a step; nothing where the booster's optimizer has it."""
        return None if self._shares else super().accumulation_state()

    def check_state_dict(self, state_dict: Any) -> None:
        """Raise what `load_state_dict` would of a state that does not fit; change nothing."""
        if state_dict or self.booster is None:  # else it is in files
            like = self.optimizer if self._pieces is None else self._pieces.like()
            check_state(getattr(like, "optim", like), state_dict)

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state and the base settings; the latter alone where it is in files."""
        if self._pieces is None and not self._in_files:
            return super().state_dict()
        state: dict[str, Any] = {} if self._in_files else self._pieces.state_dict()
        if self.base_param_settings is not None:
            state["base_param_settings"] = self.base_param_settings
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; of one that the booster has in files, the base settings alone."""
        state = dict(state_dict)
        base = state.pop("base_param_settings", None)
        self.check_state_dict(state)
        if state or self.booster is None:
            (self._pieces or self.optimizer).load_state_dict(state)
        if base is not None and self.base_param_settings is not None:
            self.base_param_settings.update(base)

    @property
    def _shows_grads(self) -> bool:
        return hasattr(self.optimizer, "get_working_grads_by_group_id")

    def _quiet(self, sync: bool) -> AbstractContextManager[Any]:
        """Return the context in which no gradients are exchanged, where there is one."""
        plugin = getattr(self.booster, "plugin", None)
        can: Any = getattr(plugin, "support_no_sync", None)
        if sync or not (hasattr(plugin, "no_sync") if can is None else can()):
            return nullcontext()
        model: Any = self.items.model
        context: AbstractContextManager[Any] = self.booster.no_sync(
            getattr(model, "model_wrapper", model), self.optimizer
        )
        return context
