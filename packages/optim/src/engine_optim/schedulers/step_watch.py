"""Whether a schedule was stepped before its optimizer."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["StepWatch"]


class StepWatch:
    """Tells whether an optimizer has made a step, or has seen a loss, since this was made."""

    def __init__(self, optimizer: Any) -> None:
        self._wrapper = optimizer if hasattr(optimizer, "inner_count") else None
        self._count = 0 if self._wrapper is None else optimizer.inner_count
        self._stepped = False
        self._handle: Any = None
        inner = getattr(optimizer, "optimizer", optimizer)
        if isinstance(inner, torch.optim.Optimizer):
            self._handle = inner.register_step_post_hook(self._note)

    def _note(self, *_: Any) -> None:
        self._stepped = True

    def __call__(self) -> bool:
        """Tell it, and watch no longer; of what cannot be watched nothing is said."""
        if self._handle is None:
            return True
        self._handle.remove()
        # a wrapper's loss may wait for others, and its step overflow
        return self._stepped or (
            self._wrapper is not None and self._wrapper.inner_count > self._count
        )

    def __reduce__(self) -> tuple[type[StepWatch], tuple[None]]:
        return StepWatch, (None,)  # a copy elsewhere sees other steps
