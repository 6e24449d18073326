"""A step, and clearing gradients, without what torch does around both for profilers and hooks.

Both open a range for the profiler each time, which costs a small model more than the clearing. Where a
profiler looks, somebody has hooked into the step, or a class has its own way, it is torch's methods that run.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer, optimizer

__all__ = ["clear", "step"]

_profiled = torch.autograd._profiler_enabled  # type: ignore[attr-defined]  # of torch's C++
_zero_grad = Optimizer.zero_grad
_before, _after = optimizer._global_optimizer_pre_hooks, optimizer._global_optimizer_post_hooks
# by its code what torch has put around a class's step is told from what others have
_AROUND = Optimizer.profile_hook_step(Optimizer.step).__code__


def clear(optimizer: Any) -> None:
    """Do what ``optimizer.zero_grad()`` does."""
    if (
        getattr(type(optimizer), "zero_grad", None) is not _zero_grad
        or "zero_grad" in optimizer.__dict__
        or _profiled()
    ):
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for param in group["params"]:
            param.grad = None


def step(optimizer: Any) -> None:
    """Do what ``optimizer.step()`` does."""
    around: Any = getattr(type(optimizer), "step", None)
    if (
        getattr(around, "__code__", None) is not _AROUND
        or "step" in optimizer.__dict__  # as torch's schedules have it
        or _before
        or _after
        or optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or _profiled()
    ):
        optimizer.step()
        return
    around.__wrapped__(optimizer)
