"""What happens when a loss or its gradients are infinite or not a number."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from engine_optim.errors import NonFiniteError, OptimError
from engine_optim.wrappers.clipping import global_norm, numbers_of

__all__ = ["NonFiniteGuard"]

logger = logging.getLogger("engine.optim")
Policy = Literal["raise", "skip"]


class NonFiniteGuard:
    """Look at the gradients' joint norm before every step, without waiting for the device.

    On a CPU the flag is read at once. On an accelerator it is copied to the host without
    waiting and read when the copy has arrived, at the next step or later; until then the step
    itself is made harmless on the device. Optimizers with ``fused=True`` (and those that
    support ``found_inf``) leave out the step wholly; others see gradients of zero, so that
    momentum and weight decay act in that one step. The cost is one norm over the gradients,
    none if they are clipped by norm anyway.

    Parameters
    ----------
    policy
        ``"raise"``: `NonFiniteError` that names the iteration. ``"skip"``: leave the step out,
        log it, and raise after ``max_in_row`` of them.
    max_in_row
        Number of steps skipped one after the other that ends the run.
    """

    def __init__(self, policy: Policy = "raise", max_in_row: int = 10) -> None:
        if policy not in ("raise", "skip"):
            raise OptimError(f"non_finite: policy must be 'raise' or 'skip', got {policy!r}")
        if max_in_row < 1:
            raise OptimError(f"non_finite: max_in_row must be positive, got {max_in_row}")
        self.policy = policy
        self.max_in_row = max_in_row
        self.skipped = 0
        self.in_row = 0
        self._flags: deque[tuple[int, Tensor, Any]] = deque()

    @classmethod
    def from_setting(cls, setting: str | Mapping[str, Any] | None) -> NonFiniteGuard | None:
        """Return the guard that a policy or a dict of arguments asks for."""
        if setting is None:
            return None
        if not isinstance(setting, str | Mapping):
            raise OptimError(
                f"non_finite is 'raise', 'skip', or a dict of 'policy' and 'max_in_row', got {setting!r}"
            )
        arguments = {"policy": setting} if isinstance(setting, str) else dict(setting)
        unknown = sorted(set(arguments) - {"policy", "max_in_row"})
        if unknown:
            raise OptimError(f"non_finite: unknown {unknown}; it takes 'policy' and 'max_in_row'")
        return cls(**arguments)

    def check(
        self, optimizer: Any, params: list[Tensor], norm: Tensor | None, iteration: int
    ) -> bool:
        """Return whether to make the step; False only where the flag could be read at once."""
        if not params:
            return True
        norm = global_norm(params) if norm is None else norm
        finite = torch.isfinite(norm)
        if finite.device.type == "cpu":
            self._decide(iteration, bool(finite))
            return bool(finite)
        self._read_arrived()
        self._flags.append((iteration, *_send_to_host(finite)))
        _disarm(optimizer, params, finite)
        return True

    def passing_on(self, loss: Tensor) -> Tensor:
        """Return a loss that, where it is infinite or not a number, makes all gradients so.

        They are what is looked at, on all ranks alike; of a finite loss nothing changes.
        """
        return loss * (loss.detach() * 0 + 1)

    def flush(self) -> None:
        """Wait for the flags that are on their way, and act on them."""
        self._read_arrived(wait=True)

    def _read_arrived(self, wait: bool = False) -> None:
        while self._flags:
            iteration, flag, event = self._flags[0]
            if wait:
                event.synchronize()
            elif not event.query():
                return
            self._flags.popleft()
            self._decide(iteration, bool(flag))

    def _decide(self, iteration: int, finite: bool) -> None:
        if finite:
            self.in_row = 0
            return
        if self.policy == "raise":
            raise NonFiniteError(
                f"the loss or the gradients of iteration {iteration} are infinite or not a number; "
                "lower the learning rate or clip, or set non_finite='skip' to leave such steps out"
            )
        self.skipped += 1
        self.in_row += 1
        logger.warning(
            "Skipped the step of iteration %d: its loss or gradients are infinite or not a number "
            "(%d in a row, %d in all)",
            iteration,
            self.in_row,
            self.skipped,
        )
        if self.in_row >= self.max_in_row:
            raise NonFiniteError(
                f"{self.in_row} steps in a row, the last at iteration {iteration}, had gradients "
                f"that are infinite or not a number (max_in_row={self.max_in_row})"
            )


def _send_to_host(flag: Tensor) -> tuple[Tensor, Any]:
    """Start copying a flag; return where it will lie and the event of its arrival."""
    host = torch.empty((), dtype=flag.dtype, pin_memory=True)
    host.copy_(flag, non_blocking=True)
    event = torch.Event(flag.device)
    event.record()
    return host, event


def _disarm(optimizer: Any, params: list[Tensor], finite: Tensor) -> None:
    """Keep a step with infinite gradients from doing harm, deciding on the device."""
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer.grad_scale = None
        optimizer.found_inf = (~finite).to(torch.float32)
        return
    bad = ~finite
    for param in params:
        if param.grad is not None:
            grad = numbers_of(param)
            local = grad.to_local() if hasattr(grad, "to_local") else grad
            local.masked_fill_(bad.to(local.device), 0)
