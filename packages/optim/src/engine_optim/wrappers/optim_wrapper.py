"""The wrapper around one torch optimizer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from engine_optim.errors import OptimError
from engine_optim.wrappers.accumulation import (
    grads_by_place,
    keeps_grads,
    put_grads,
    share,
)
from engine_optim.wrappers.base import BaseOptimWrapper
from engine_optim.wrappers.clipping import Clip, global_norm
from engine_optim.wrappers.counts import ItemCounter
from engine_optim.wrappers.guard import NonFiniteGuard
from engine_registry import OPTIM_WRAPPERS

__all__ = ["OptimWrapper"]

logger = logging.getLogger("engine.optim")
# one for every iteration: it holds nothing
_NOTHING: AbstractContextManager[None] = nullcontext()


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(BaseOptimWrapper):
    """Gradients, accumulation, clipping and the step, in one place.

    Parameters
    ----------
    optimizer
        A torch optimizer.
    accumulative_counts
        Number of losses whose gradients make one step.
    clip_grad
        Arguments of torch's ``clip_grad_norm_``, or with ``type="value"`` of
        ``clip_grad_value_``. The norm is reported as ``grad_norm``.
    non_finite
        What to do about infinite gradients: ``"raise"``, ``"skip"``, a dict of the arguments of
        `NonFiniteGuard`, or None to look the other way.

    Examples
    --------
    >>> model = torch.nn.Linear(2, 1)
    >>> wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), accumulative_counts=2)
    >>> for _ in range(4):  # two steps
    ...     with wrapper.optim_context(model):
    ...         loss = model(torch.ones(3, 2)).mean()
    ...     wrapper.update_params(loss)
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        accumulative_counts: int = 1,
        clip_grad: dict[str, Any] | None = None,
        *,
        non_finite: str | Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(accumulative_counts, int) or accumulative_counts <= 0:
            raise OptimError(
                f"accumulative_counts must be a positive integer, got {accumulative_counts!r}"
            )
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(
                f"optimizer must be a torch.optim.Optimizer, but got {type(optimizer).__name__}"
            )
        super().__init__(optimizer)
        if len(optimizer.param_groups) > 1:
            self.base_param_settings = {**optimizer.defaults, "params": torch.tensor([0.0])}
        self.clip = Clip(clip_grad) if clip_grad is not None else None
        self.guard = NonFiniteGuard.from_setting(non_finite)
        self.items = ItemCounter()
        self._accumulative_counts = accumulative_counts
        self._inner_count = 0
        self._taken_up = False
        # -1: unknown, so that no remainder is left
        self._max_counts = -1
        self._remainder_counts = -1
        self._sharded_clip: Any = None
        # those of schedulefree keep two sets of weights
        self._has_modes = hasattr(optimizer, "train") and hasattr(optimizer, "eval")

    @property
    def inner_count(self) -> int:
        """Number of losses so far."""
        return self._inner_count

    def update_params(
        self,
        loss: Tensor,
        step_kwargs: dict[str, Any] | None = None,
        zero_kwargs: dict[str, Any] | None = None,
        *,
        count: float | Tensor | None = None,
    ) -> None:
        """Compute gradients and, once enough are accumulated, make the step and clear them.

        Parameters
        ----------
        loss
            A tensor with one element.
        step_kwargs, zero_kwargs
            Arguments of the optimizer's ``step`` and ``zero_grad``.
        count
            The number of items (tokens, boxes, samples) that the loss is the average over. With
            it, micro-batches and ranks weigh by their items; without it, all the same.
        """
        if count is None:
            self._require_one_way(not self.items.pending)
            loss = self.scale_loss(loss)
        else:
            self._require_one_way(self.items.pending or self._is_first())
            loss = self.items.weigh(loss, count)
        self.backward(loss)
        if self.should_update():
            self.step(**(step_kwargs or {}))
            self.zero_grad(**(zero_kwargs or {}))

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Compute gradients, adding to those that are there."""
        loss.backward(**kwargs)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._inner_count += 1

    def zero_grad(self, **kwargs: Any) -> None:
        """Clear gradients, with the arguments of the optimizer's ``zero_grad``."""
        self.optimizer.zero_grad(**kwargs)

    def step(self, **kwargs: Any) -> None:
        """Finish the gradients (items, clipping, guard) and update the parameters."""
        if self.prepare_grads():
            self.optimizer.step(**kwargs)

    def prepare_grads(self) -> bool:
        """Do to the gradients what comes before the step; return whether to make it."""
        if not (self.items.pending or self.clip or self.guard):
            return True
        params = self.params_with_grad()
        if self.items.pending:
            self.items.rescale(params)
        norm = None
        if self.guard is not None and self.clip is not None and self.clip.kind == "value":
            norm = global_norm(params)  # clipped, what was infinite looks like any other
        if self.clip and params:
            clipped = self._clip_grad(params)
            norm = clipped if norm is None else norm
        if self.guard is None:
            return True
        return self.guard.check(self.optimizer, params, norm, self._inner_count)

    def params_with_grad(self) -> list[Tensor]:
        """Return all parameters that have gradients."""
        return [
            param
            for group in self.optimizer.param_groups
            for param in group["params"]
            if param.grad is not None
        ]

    def _clip_grad(self, params: list[Tensor]) -> Tensor | None:
        assert self.clip is not None  # for the type checker: the caller asked
        norm = self.clip(params, self._sharded_clip)
        if norm is not None:
            self.report("grad_norm", norm)
        return norm

    def optim_context(self, model: torch.nn.Module) -> AbstractContextManager[None]:
        """Run the forward pass in it: gradients are exchanged only when a step follows.

        It knows modules with ``no_sync`` (DDP and its kin) and FSDP2's.
        """
        self.watch(model)
        self.train()
        return _NOTHING if self._accumulative_counts == 1 else self._accumulating(model)

    @contextmanager
    def _accumulating(self, model: torch.nn.Module) -> Iterator[None]:
        sync = self.should_sync()
        set_sync = getattr(model, "set_requires_gradient_sync", None)
        if set_sync is not None:  # must outlast the context: read during the backward pass
            set_sync(sync)
        if sync or not hasattr(model, "no_sync"):
            yield
        else:
            with model.no_sync():  # type: ignore[operator]  # a module's attributes have no types
                yield

    def train(self, mode: bool = True) -> None:
        """Switch an optimizer that has modes, such as schedulefree's; `optim_context` does too."""
        if self._has_modes:
            optimizer: Any = self.optimizer
            optimizer.train() if mode else optimizer.eval()

    def settle(self) -> None:
        """Wait for what the guard has not yet seen of the steps so far, and act on it.

        Raises
        ------
        NonFiniteError
            If a gradient was not finite and the guard is not to skip such steps.
        """
        if self.guard is not None:
            self.guard.flush()

    def watch(self, model: torch.nn.Module) -> None:
        """Learn what a parallel wrapper around the model needs: its ranks, its own clipping."""
        if self.items.model is not model:
            self.items.watch(model)
            has_sync = hasattr(model, "no_sync")
            self._sharded_clip = getattr(model, "clip_grad_norm_", None) if has_sync else None

    def initialize_count_status(
        self, model: torch.nn.Module, init_counts: int, max_counts: int
    ) -> None:
        """Tell how many losses there were and will be, for the last, incomplete accumulation.

        Parameters
        ----------
        model
            Looked at for batch norm, whose statistics accumulation does not help.
        init_counts, max_counts
            Iterations done, and in all.
        """
        if not self._taken_up:
            self._inner_count = init_counts
        self._max_counts = max_counts
        if self._accumulative_counts == 1:
            self._remainder_counts = 0
            return
        if init_counts % self._accumulative_counts and not self._taken_up:
            logger.warning(
                "Resuming at iteration %d, which accumulative_counts=%d does not divide: the "
                "gradients of the incomplete accumulation are lost",
                init_counts,
                self._accumulative_counts,
            )
        if any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules()):
            logger.warning(
                "Accumulating gradients of a model with batch norm: it normalises every "
                "micro-batch by itself, so the result differs from one large batch's"
            )
        self._remainder_counts = max(max_counts, 0) % self._accumulative_counts

    def accumulation_state(self) -> dict[str, Any] | None:
        """Return the count of losses and, in the middle of an accumulation, its gradients.

        Of ranks that have not exchanged their gradients yet, all get their mean. None where every
        loss makes a step, and where a wrapper that shards has the gradients.
        """
        if self._accumulative_counts == 1:
            return None
        state: dict[str, Any] = {"counts": self._accumulative_counts, "inner": self._inner_count}
        if not self._is_first():
            if not keeps_grads(self.items.model):
                return None
            share(self.optimizer, self.items)
            state["grads"] = grads_by_place(self.optimizer)
            state["items"] = self.items.total if self.items.pending else None
        return state

    def load_accumulation_state(self, state: Mapping[str, Any]) -> None:
        """Go on in the middle of an accumulation.

        One of another ``accumulative_counts`` is left, with a warning where gradients are lost.
        """
        if state["counts"] != self._accumulative_counts:
            if "grads" in state:
                logger.warning(
                    "the gradients of an incomplete accumulation are lost: accumulative_counts "
                    "was %d and is %d", state["counts"], self._accumulative_counts,
                )  # fmt: skip
            return
        self._inner_count = state["inner"]
        self._taken_up = True
        if "grads" in state:
            put_grads(self.optimizer, state["grads"])
            self.items.pending = state["items"] is not None
            self.items.total = state["items"] if self.items.pending else 0.0

    def should_update(self) -> bool:
        """Tell, after a loss, whether the step follows."""
        return (
            self._inner_count % self._accumulative_counts == 0
            or self._inner_count == self._max_counts
        )

    def should_sync(self) -> bool:
        """Tell, before a loss, whether its backward pass must exchange gradients."""
        count = self._inner_count + 1
        return count % self._accumulative_counts == 0 or count == self._max_counts

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Divide the loss by the number of losses in its accumulation."""
        if self._accumulative_counts == 1:
            return loss
        in_remainder = (
            self._max_counts > 0
            and self._inner_count >= self._max_counts - self._remainder_counts
            and self._remainder_counts > 0
        )
        return loss / (self._remainder_counts if in_remainder else self._accumulative_counts)

    def _is_first(self) -> bool:
        return self._inner_count % self._accumulative_counts == 0

    def _require_one_way(self, fits: bool) -> None:
        if not fits:
            raise OptimError(
                "losses with and without count= meet in one accumulation of "
                f"{self._accumulative_counts}; pass it for all of them, or for none"
            )

    def __repr__(self) -> str:
        lines = [f"Type: {type(self).__name__}"]
        lines.append(f"_accumulative_counts: {self._accumulative_counts}")
        return "\n".join([*lines, "optimizer: ", f"{self.optimizer!r}\n"])
