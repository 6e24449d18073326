"""Steps of bad losses are left out, and what was bad is read later.

How ranks decide together without a message of their own: a bad loss, on whichever rank, is made to
give gradients that are no numbers; the exchange of gradients that follows makes them so on all
ranks, and with them the norm that each rank looks at before its step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine_dist import all_reduce
from engine_optim import NonFiniteGuard
from engine_optim.wrappers.clipping import global_norm
from engine_runner.hooks.rolling_loss import RollingLoss

__all__ = ["LossGuard", "Reading"]


class Reading(NamedTuple):
    """What was read of some iterations, counted from 1.

    Attributes
    ----------
    iterations : list of int
        All that were looked at.
    bad : set of int
        Those with a bad loss on any rank, or bad gradients.
    own : set of int
        Those with a bad loss on this rank.
    """

    iterations: list[int]
    bad: set[int]
    own: set[int]


class LossGuard(NonFiniteGuard):
    """Leaves out steps whose loss is bad or whose gradients are not finite, whatever came of them.

    The parameters and the optimizer's state stay as they were, to the bit. Optimizers that can be
    told on the device (``fused=True``: torch's ``found_inf``) are told there, and nothing is waited
    for. Of others no way is known that changes neither their state nor their counts and keeps no
    second copy of both, so that with them the flag is read before each step; so it is before an
    optimizer's first step, where torch's fused SGD would take up a momentum that it never wrote.

    Parameters
    ----------
    rolling : RollingLoss
        Tells which losses are bad.
    overflows : bool
        Whether gradients may overflow without anything being bad, as a dynamic loss scale lets
        them: then only losses count, though the steps are left out.
    """

    def __init__(self, rolling: RollingLoss, *, overflows: bool = False) -> None:
        super().__init__("skip")
        self.rolling = rolling
        self.overflows = overflows
        self.iteration = 0
        self.on_read: Callable[[Reading], None] = lambda reading: None
        self._losses: list[tuple[int, Tensor]] = []
        self._steps: list[tuple[int, Tensor]] = []
        self._begun: set[int] = set()

    def passing_on(self, loss: Tensor) -> Tensor:
        """Return a loss that, where it is bad, makes all gradients no numbers."""
        bad = self.rolling.judge(loss)
        self._losses.append((self.iteration, bad))
        return loss * torch.ones_like(loss).masked_fill(bad, float("nan"))

    def check(
        self, optimizer: Any, params: list[Tensor], norm: Tensor | None, iteration: int
    ) -> bool:
        """Return whether to make the step; True also where the optimizer is to leave it out."""
        if not params:
            return True
        finite = torch.isfinite(global_norm(params) if norm is None else norm)
        self._steps.append((self.iteration, ~finite))
        if self.overflows:
            return True  # the scaler leaves it out
        if not self._can_leave_out(optimizer):
            return bool(finite)
        optimizer.grad_scale = None
        optimizer.found_inf = (~finite).to(torch.float32)
        return True

    def _can_leave_out(self, optimizer: Any) -> bool:
        if not getattr(optimizer, "_step_supports_amp_scaling", False):
            return False
        if id(optimizer) in self._begun:
            return True
        if optimizer.state:
            self._begun.add(id(optimizer))
        return bool(optimizer.state)

    def release(self, optimizer: Any) -> None:
        """Let an optimizer make its steps again whatever was found before."""
        if getattr(optimizer, "found_inf", None) is not None:
            optimizer.found_inf = None

    def flush(self) -> None:
        """Read, with one copy from the device, what was found since the last time; all ranks do."""
        losses, self._losses = self._losses, []
        steps, self._steps = self._steps, []
        if not losses:
            return
        own = torch.stack([bad for _, bad in losses]).to(torch.uint8)
        joint = own.clone()
        all_reduce(joint, "max")
        found = [own, joint]
        if steps:
            found.append(torch.stack([bad for _, bad in steps]).to(own))
        flags = torch.cat(found).tolist()
        count = len(losses)
        numbers = [iteration for iteration, _ in losses]
        bad = _where(numbers, flags[count : 2 * count])
        if not self.overflows:
            bad |= _where([iteration for iteration, _ in steps], flags[2 * count :])
        self.skipped += len(bad)
        self.on_read(Reading(sorted(set(numbers)), bad, _where(numbers, flags[:count])))


def _where(iterations: list[int], flags: list[int]) -> set[int]:
    return {iteration for iteration, flag in zip(iterations, flags, strict=True) if flag}
