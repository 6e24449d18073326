"""The wrapper around one torch optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from engine_optim.wrappers.accumulation import Accumulating
from engine_optim.wrappers.clipping import Clip, global_norm
from engine_optim.wrappers.guard import NonFiniteGuard
from engine_optim.wrappers.short_ways import clear, step
from engine_registry import OPTIM_WRAPPERS

__all__ = ["OptimWrapper"]

# one for every iteration: it holds nothing
_NOTHING: AbstractContextManager[None] = nullcontext()
_set = object.__setattr__


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(Accumulating):
    """Gradients, accumulation, clipping and the step, in one place.

    Parameters
    ----------
    optimizer
        A torch optimizer.
    accumulative_counts
        Number of losses whose gradients make one step. The last step, at the end of the training,
        is the mean of what is left.
    clip_grad
        Arguments of torch's ``clip_grad_norm_``, or with ``type="value"`` of
        ``clip_grad_value_``. The norm is reported as ``grad_norm``.
    non_finite
        What to do about infinite losses and gradients: ``"raise"``, ``"skip"``, a dict of the arguments of
        `NonFiniteGuard`, or None to look the other way.
    close_at_epoch_end
        Whether the last loss of an epoch makes a step of those that are left, too; otherwise
        they wait for the next epoch's. `initialize_count_status` must be told how long one is.

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
        close_at_epoch_end: bool = False,
    ) -> None:
        super().__init__(optimizer, accumulative_counts, close_at_epoch_end)
        if len(optimizer.param_groups) > 1:
            self.base_param_settings = {**optimizer.defaults, "params": torch.tensor([0.0])}
        self.clip = Clip(clip_grad) if clip_grad is not None else None
        self.guard = NonFiniteGuard.from_setting(non_finite)
        self._sharded_clip: Any = None
        # those of schedulefree keep two sets of weights
        self._has_modes = hasattr(optimizer, "train") and hasattr(optimizer, "eval")
        self._switches = self._has_modes or type(self).train is not OptimWrapper.train
        self._plain = all(getattr(type(self), name) is own for name, own in _OWN.items())

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; one in place of a method that an update calls will be called, too."""
        _set(self, name, value)
        if name in _OWN:
            _set(self, "_plain", False)

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
        if (
            self._plain and self._accumulative_counts == 1 and self.clip is None
            and self.guard is None and count is None and not self.items.pending
            and step_kwargs is None and zero_kwargs is None
        ):  # fmt: skip
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            _set(self, "_inner_count", self._inner_count + 1)
            step(self.optimizer)
            clear(self.optimizer)
            return
        if self.guard is not None:
            loss = self.guard.passing_on(loss)
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
        if kwargs:
            self.optimizer.zero_grad(**kwargs)
        else:
            clear(self.optimizer)

    def step(self, **kwargs: Any) -> None:
        """Finish the gradients (items, clipping, guard) and update the parameters."""
        if not self.prepare_grads():
            return
        if kwargs:
            self.optimizer.step(**kwargs)
        else:
            step(self.optimizer)

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
        if self.items.model is not model:  # asked here, too: a call costs more
            self.watch(model)
        if self._switches:
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

    def __repr__(self) -> str:
        lines = [f"Type: {type(self).__name__}"]
        lines.append(f"_accumulative_counts: {self._accumulative_counts}")
        return "\n".join([*lines, "optimizer: ", f"{self.optimizer!r}\n"])


# What `update_params` goes through as in MMEngine. Where nobody has put anything else in their place
# it makes the three calls that come of it: each function on the way costs half a microsecond.
_OWN = {
    name: getattr(OptimWrapper, name)
    for name in ("scale_loss", "backward", "should_update", "step", "prepare_grads", "zero_grad")
}
