"""Which losses make a step together, what each of them weighs, and a step that is half gathered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine_optim.errors import OptimError, StateMismatchError
from engine_optim.wrappers.base import BaseOptimWrapper
from engine_optim.wrappers.counts import ItemCounter
from engine_optim.wrappers.gathered_grads import (
    grads_by_place,
    put_grads,
    scale_grads,
    share,
)
from engine_optim.wrappers.windows import Epochs, Window, window_of

__all__ = ["Accumulating"]

logger = logging.getLogger("engine.optim")


class Accumulating(BaseOptimWrapper):
    """What an optimizer wrapper knows of the losses behind it and before it.

    Parameters as in `OptimWrapper`.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, accumulative_counts: int, close_at_epoch_end: bool
    ) -> None:
        _require_positive("accumulative_counts", accumulative_counts)
        if not isinstance(close_at_epoch_end, bool):
            raise OptimError(f"close_at_epoch_end is True or False, got {close_at_epoch_end!r}")
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(
                f"optimizer must be a torch.optim.Optimizer, but got {type(optimizer).__name__}"
            )
        super().__init__(optimizer)
        self.items = ItemCounter()
        self.close_at_epoch_end = close_at_epoch_end
        self._accumulative_counts = accumulative_counts
        self._inner_count = 0
        # -1: unknown, so that no remainder is left; the latter is for subclasses written for MMEngine
        self._max_counts = -1
        self._remainder_counts = -1
        self._epochs: Epochs | None = None
        # of a checkpoint: how many losses its gradients hold, of how many
        self._taken_up: tuple[int, int] | None = None

    @property
    def inner_count(self) -> int:
        """Number of losses so far."""
        return self._inner_count

    @property
    def half_gathered(self) -> bool:
        """Whether a step is gathered in part."""
        return self._accumulative_counts > 1 and not self._is_first()

    def initialize_count_status(
        self,
        model: torch.nn.Module,
        init_counts: int,
        max_counts: int,
        *,
        epoch_length: int | None = None,
        epoch_done: int | None = None,
    ) -> None:
        """Tell how many losses there were and will be, for the last, incomplete accumulation.

        Parameters
        ----------
        model
            Looked at for batch norm, whose statistics accumulation does not help.
        init_counts, max_counts
            Iterations done, and in all.
        epoch_length
            Iterations in an epoch, for ``close_at_epoch_end``; None where it is not known.
        epoch_done
            Those done of the epoch of now; without it epochs began at multiples of their length.

        Raises
        ------
        OptimError
            If accumulations are to end with the epochs and their length is not known.
        """
        if self._taken_up is None:
            self._inner_count = init_counts
        self._max_counts = max_counts
        self._remainder_counts = max(max_counts, 0) % self._accumulative_counts
        if self._accumulative_counts == 1:
            return
        if self.close_at_epoch_end:
            self._epochs = self._epochs_of(epoch_length, epoch_done)
        self._fit_what_is_gathered()
        if any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in model.modules()):
            logger.warning(
                "Accumulating gradients of a model with batch norm: it normalises every "
                "micro-batch by itself, so the result differs from one large batch's"
            )

    def _epochs_of(self, length: int | None, done: int | None) -> Epochs:
        if length is None:
            raise OptimError(
                "close_at_epoch_end=True needs the number of iterations in an epoch, which is not "
                "known of data without a length; leave it out, so that accumulations run over the "
                "epochs' ends, or call initialize_count_status with epoch_length="
            )
        _require_positive("epoch_length", length)
        if done is not None and not (isinstance(done, int) and 0 <= done <= length):
            raise OptimError(
                f"epoch_done is a number from 0 to epoch_length={length}, got {done!r}"
            )
        return Epochs(length, 0 if done is None else self._inner_count - done)

    def _fit_what_is_gathered(self) -> None:
        """Hold what was taken up against this run's windows, which may be others than its own."""
        window = self._window()
        held, size = self._taken_up or (0, window.size)
        if window.start + held != self._inner_count:
            logger.warning(
                "the gradients of an incomplete accumulation are lost: at iteration %d, %d of its "
                "%d losses are done, and there are gradients of %d",
                self._inner_count, self._inner_count - window.start, window.size, held,
            )  # fmt: skip
            if held:
                self.items.total, self.items.pending = 0.0, False
                self.optimizer.zero_grad()
        elif held and size != window.size and not self.items.pending:
            scale_grads(self.optimizer, size / window.size)
        self._taken_up = None

    def accumulation_state(self) -> dict[str, Any] | None:
        """Return the count of losses and, in the middle of an accumulation, its gradients.

        Of ranks that have not exchanged their gradients yet, all get their mean. None where every
        loss makes a step, and where a wrapper keeps the gradients elsewhere.
        """
        if self._accumulative_counts == 1:
            return None
        state: dict[str, Any] = {"counts": self._accumulative_counts, "inner": self._inner_count}
        if self.half_gathered:
            window = self._window()
            if not share(self.optimizer, self.items):
                return None
            state["grads"] = grads_by_place(self.optimizer)
            state["items"] = self.items.total if self.items.pending else None
            state["held"], state["size"] = self._inner_count - window.start, window.size
        return state

    def load_accumulation_state(self, state: Mapping[str, Any]) -> None:
        """Go on in the middle of an accumulation.

        One of another ``accumulative_counts`` is left, with a warning where gradients are lost.

        Raises
        ------
        StateMismatchError
            If it is none; nothing was changed then.
        """
        _check_numbers(state)
        if state["counts"] != self._accumulative_counts:
            if "grads" in state:
                logger.warning(
                    "the gradients of an incomplete accumulation are lost: accumulative_counts "
                    "was %d and is %d", state["counts"], self._accumulative_counts,
                )  # fmt: skip
            return
        self._inner_count = state["inner"]
        self._taken_up = 0, self._accumulative_counts
        if "grads" in state:
            held = self._inner_count % self._accumulative_counts
            self._taken_up = state.get("held", held), state.get("size", self._accumulative_counts)
            put_grads(self.optimizer, state["grads"])
            self.items.pending = state["items"] is not None
            self.items.total = state["items"] if self.items.pending else 0.0

    def should_update(self) -> bool:
        """Tell, after a loss, whether the step follows."""
        return self._accumulative_counts == 1 or self._window(-1).end == self._inner_count

    def should_sync(self) -> bool:
        """Tell, before a loss, whether its backward pass must exchange gradients."""
        return self._window().end == self._inner_count + 1

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Divide the loss by the number of losses in its accumulation."""
        return loss if self._accumulative_counts == 1 else loss / self._window().size

    def _is_first(self) -> bool:
        return self._window().start == self._inner_count

    def _window(self, offset: int = 0) -> Window:
        """Return the accumulation of the loss that comes next, or of one before it."""
        if self.close_at_epoch_end and self._epochs is None and self._accumulative_counts > 1:
            raise OptimError(
                "close_at_epoch_end=True, but nobody has told how long an epoch is: call "
                "initialize_count_status(model, done, in_all, epoch_length=…) before the first "
                "loss, with the numbers of losses that this wrapper sees"
            )
        loss = self._inner_count + offset
        return window_of(loss, self._accumulative_counts, self._max_counts, self._epochs)

    def _require_one_way(self, fits: bool) -> None:
        if not fits:
            raise OptimError(
                "losses with and without count= meet in one accumulation of "
                f"{self._accumulative_counts}; pass it for all of them, or for none"
            )


def _require_positive(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise OptimError(f"{name} must be a positive integer, got {value!r}")


def _check_numbers(state: Mapping[str, Any]) -> None:
    for key, value in {"counts": None, "inner": None, **state}.items():
        if key in ("counts", "inner", "held", "size") and not (
            isinstance(value, int) and value >= 0
        ):
            raise StateMismatchError(
                f"the saved accumulation is none: its {key!r} is {value!r:.40}, no number of "
                "losses; nothing was loaded"
            )
