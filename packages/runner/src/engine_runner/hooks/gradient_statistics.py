"""How large the gradients of each module are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from engine_dist.wrappers import unwrap
from engine_optim import OptimWrapperDict
from engine_registry import HOOKS
from engine_runner.hooks.hook import Hook
from engine_runner.hooks.module_norms import group_by_module, module_norms
from engine_runner.hooks.scopes import around_loops
from engine_runner.protocols import RunnerT

__all__ = ["GradientStatisticsHook"]


@HOOKS.register_module()
class GradientStatisticsHook(Hook[RunnerT]):
    """Record the norm of each module's gradients, as ``train/grad_norm/<module>``.

    The gradients are those that the optimizer's step takes: of a whole accumulation, without the
    scale of mixed precision, and after clipping. Between two records nothing is computed; the norms
    stay on the device until the log reads them with its other scalars, in one copy.

    Parameters
    ----------
    interval : int, default 10
        Iterations of an epoch between two records; best the same as the logger's.
    depth : int, default 1
        How many parts of a module's name tell the modules apart: with 1, ``backbone`` and ``head``;
        with 2, ``backbone.layer1``.

    Raises
    ------
    ValueError
        If one of them is below 1.
    """

    priority = "ABOVE_NORMAL"

    def __init__(self, interval: int = 10, depth: int = 1) -> None:
        for name, value in (("interval", interval), ("depth", depth)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.interval = interval
        self.depth = depth
        self._due = False
        self._groups: dict[str, list[Tensor]] = {}
        self._norms: dict[str, Tensor] = {}

    def before_run(self, runner: RunnerT) -> None:
        """Look at the optimizer's steps while training runs."""
        if runner.optim_wrapper is None:
            return
        self._groups = group_by_module(unwrap(runner.model), self.depth)
        optimizers = _optimizers(runner.optim_wrapper)
        around_loops(runner, self, lambda: self._watching(optimizers), names=["train_loop"])

    @contextmanager
    def _watching(self, optimizers: list[torch.optim.Optimizer]) -> Iterator[None]:
        with ExitStack() as stack:
            for optimizer in optimizers:
                stack.callback(optimizer.register_step_pre_hook(self._look).remove)
            yield

    def before_train_iter(self, runner: RunnerT, batch_idx: int, data_batch: Any = None) -> None:
        """Let the next step be looked at, where a record is due."""
        self._due = self._due or self.every_n_inner_iters(batch_idx, self.interval)

    def after_train_iter(
        self, runner: RunnerT, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Record what the step had, where it was looked at."""
        if not self._norms:
            return
        for name, norm in self._norms.items():
            runner.message_hub.update_scalar(f"train/grad_norm/{name}", norm)
        self._norms = {}
        self._due = False

    def _look(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if not self._due:
            return
        own = {id(p) for group in optimizer.param_groups for p in group["params"]}
        groups = {
            name: [param for param in params if id(param) in own]
            for name, params in self._groups.items()
        }
        # optimizers that unscale in their own step are handed the scale
        scale = getattr(optimizer, "grad_scale", None)
        for name, norm in module_norms(groups).items():
            self._norms[name] = norm if scale is None else norm / scale


def _optimizers(wrapper: Any) -> list[torch.optim.Optimizer]:
    """Return those of a wrapper, or of several by name."""
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    return [one.optimizer for one in wrappers]
