"""A wrapper for an optimizer that DeepSpeed's engine drives; the library is not imported."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from engine_optim.wrappers.base import BaseOptimWrapper
from engine_optim.wrappers.windows import Window, window_of
from engine_registry import OPTIM_WRAPPERS

__all__ = ["DeepSpeedOptimWrapper"]

logger = logging.getLogger("engine.optim")


@OPTIM_WRAPPERS.register_module()
class DeepSpeedOptimWrapper(BaseOptimWrapper):
    """Hand losses to an engine with ``backward`` and ``step``, which does all the rest.

    Accumulation, clipping and loss scaling are the engine's, from its own settings. Where it clips,
    the norm before is reported as ``grad_norm``. Told how many losses there will be
    (`initialize_count_status`), the last of them make a step, too, which is their mean.

    Parameters
    ----------
    optimizer
        The optimizer that the engine made, for its parameter groups.
    """

    def __init__(self, optimizer: Any) -> None:
        super().__init__(optimizer)
        self._model: Any = None
        self._count: _Count | None = None

    @property
    def model(self) -> Any:
        """The engine; to be set before the first loss."""
        if self._model is None:
            raise ValueError("model attribute should be set before accessing: the engine")
        return self._model

    @model.setter
    def model(self, value: Any) -> None:
        self._model = value

    def optim_context(self, model: Any) -> AbstractContextManager[None]:
        """Run the forward pass in it; the engine needs none."""
        return nullcontext()

    def check_state_dict(self, state_dict: Any) -> None:
        """Do nothing: the optimizer's state is the engine's."""

    def initialize_count_status(
        self,
        model: Any,
        init_counts: int,
        max_counts: int,
        *,
        epoch_length: int | None = None,
        epoch_done: int | None = None,
    ) -> None:
        """Hear how many losses there were and will be, for the last, incomplete accumulation."""
        size = self.model.gradient_accumulation_steps()
        self._count = _Count(size, init_counts, max_counts, init_counts) if size > 1 else None
        if self._count is not None and self._count.is_within:
            window = self._count.window
            logger.warning(
                "the gradients of an incomplete accumulation are lost, as DeepSpeed saves none: at "
                "iteration %d, %d of its %d losses are done, and the step is made of the others",
                init_counts, init_counts - window.start, window.size,
            )  # fmt: skip

    @property
    def half_gathered(self) -> bool:
        """Whether a step is gathered in part."""
        return self._count is not None and self._count.is_within

    def update_params(self, loss: Tensor) -> None:
        """Hand the loss to the engine: gradients and, when it is due, the step."""
        if self._count is not None:
            loss = loss * self._count.factor
            self.model.set_gradient_accumulation_boundary(self._count.closes)
            self._count = self._count.next
        self.backward(loss)
        self.step()

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Let the engine compute gradients."""
        self.model.backward(loss, **kwargs)

    def zero_grad(self, **kwargs: Any) -> None:
        """Refuse: the engine clears gradients when it makes a step."""
        raise NotImplementedError(
            "the engine clears gradients itself when it makes a step; do not call zero_grad"
        )

    def step(self, **kwargs: Any) -> None:
        """Let the engine make the step if it is due."""
        self.model.step(**kwargs)
        tell: Any = getattr(self.model, "get_global_grad_norm", None)
        if tell is None or not (self.model.was_step_applied() and self.model.gradient_clipping()):
            return
        norm = tell()
        if norm is not None:  # without ZeRO, in 32 bit, the engine does not keep it
            self.report("grad_norm", norm)

    def state_dict(self) -> dict[str, Any]:
        """Return only the base settings: the engine saves the optimizer's state itself."""
        if self.base_param_settings is None:
            return {}
        return {"base_param_settings": self.base_param_settings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the base settings: the engine loads the optimizer's state itself."""
        base = state_dict.get("base_param_settings")
        if base is not None and self.base_param_settings is not None:
            self.base_param_settings.update(base)


@dataclass(frozen=True)
class _Count:
    """Which loss of which accumulation comes next; the engine itself knows no last one.

    Attributes
    ----------
    size : int
        Losses of an accumulation.
    done, in_all : int
        Losses before, and up to the end.
    begun : int
        Losses before those that the engine has seen: it does not save gradients.
    """

    size: int
    done: int
    in_all: int
    begun: int

    @property
    def window(self) -> Window:
        """The accumulation that it falls into."""
        return window_of(self.done, self.size, self.in_all, None)

    @property
    def is_within(self) -> bool:
        """Whether losses of its accumulation are done."""
        return self.window.start != self.done

    @property
    def factor(self) -> float:
        """What a loss is multiplied by, as the engine divides each by the size of a whole one."""
        window = self.window
        return self.size / (window.end - max(window.start, self.begun))

    @property
    def closes(self) -> bool:
        """Whether the step follows."""
        return self.window.end == self.done + 1

    @property
    def next(self) -> _Count:
        """The one after."""
        return replace(self, done=self.done + 1)
