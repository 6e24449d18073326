"""Whether a loss is like those before it, told on its device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["RollingLoss"]


class RollingLoss:
    """Remembers the newest losses and tells of the next whether it is infinite, no number, or a spike.

    Nothing is read from the device: the answer is a tensor. Bad losses do not count as like the
    others.

    Parameters
    ----------
    length : int
        How many losses to remember; there must be half as many before a spike can be told.
    sigma_factor : float, optional
        A loss that is more than this many standard deviations above the mean is a spike; None: none
        is.

    Examples
    --------
    >>> rolling = RollingLoss(4, sigma_factor=6.0)
    >>> [bool(rolling.judge(torch.tensor(x))) for x in (1.0, 1.1, 0.9, 9.0, float("nan"), 1.0)]
    [False, False, False, True, True, False]
    """

    def __init__(self, length: int = 128, sigma_factor: float | None = None) -> None:
        self.length = length
        self.sigma_factor = sigma_factor
        self._losses: Tensor | None = None  # those that were bad as nan
        self._seen = 0

    @torch.no_grad()
    def judge(self, loss: Tensor) -> Tensor:
        """Return whether a loss of one element is bad, as a boolean tensor without dimensions."""
        value = loss.detach().to(torch.float32).reshape(())
        bad = ~torch.isfinite(value)
        if self.sigma_factor is None:
            return bad
        if self._losses is None or self._losses.device != value.device:
            self._losses = self._moved(value.device)
        bad = bad | self._is_spike(value, self._losses)
        self._losses[self._seen % self.length] = value.masked_fill(bad, float("nan"))
        self._seen += 1
        return bad

    def _is_spike(self, value: Tensor, losses: Tensor) -> Tensor:
        assert self.sigma_factor is not None  # for the type checker: `judge` asked
        good = torch.isfinite(losses)
        count = good.sum()
        mean = torch.nanmean(losses)
        deviation = (losses - mean).masked_fill(~good, 0.0).square().sum() / (count - 1)
        enough = count >= max(2, self.length // 2)
        return enough & (value > mean + self.sigma_factor * deviation.sqrt())

    def _moved(self, device: torch.device) -> Tensor:
        if self._losses is None:
            return torch.full((self.length,), float("nan"), device=device)
        return self._losses.to(device)

    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered, as plain values; the device is waited for."""
        losses = [] if self._losses is None else self._losses.tolist()
        return {"losses": losses, "seen": self._seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; one of another length, or that is none, is left."""
        losses, seen = state.get("losses"), state.get("seen")
        if isinstance(losses, list) and len(losses) == self.length and isinstance(seen, int):
            self._losses = torch.tensor(losses, dtype=torch.float32)
            self._seen = seen
