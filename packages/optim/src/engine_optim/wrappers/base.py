"""What every optimizer wrapper offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from engine_optim.wrappers.state import check_state

__all__ = ["BaseOptimWrapper", "ScalarSink"]

ScalarSink = Callable[[str, "float | Tensor"], None]


class BaseOptimWrapper(ABC):
    """One interface to an optimizer, whatever drives it.

    Parameters
    ----------
    optimizer
        A torch optimizer, or an engine's object in its place.

    Attributes
    ----------
    on_scalar
        Where measurements go, as ``on_scalar(name, value)``; None to drop them. A value may be
        a tensor on the device: reading it at once would wait for the device.
    base_param_settings
        The settings that groups with their own ones deviate from. It is listed as the last of
        `param_groups`, so that schedules act on it too, and holds no real parameter.
    """

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.on_scalar: ScalarSink | None = None
        self.base_param_settings: dict[str, Any] | None = None

    @abstractmethod
    def update_params(self, *args: Any, **kwargs: Any) -> None:
        """Do all that follows from a loss: gradients, step, zeroing."""

    @abstractmethod
    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Compute gradients."""

    @abstractmethod
    def zero_grad(self, **kwargs: Any) -> None:
        """Clear gradients."""

    @abstractmethod
    def step(self, **kwargs: Any) -> None:
        """Update the parameters."""

    @property
    def half_gathered(self) -> bool:
        """Whether a step is gathered in part: of its losses some are done, and others to come."""
        return False

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The optimizer's parameter groups, and the base settings if there are any."""
        groups: list[dict[str, Any]] = self.optimizer.param_groups
        if self.base_param_settings is None:
            return groups
        return [*groups, self.base_param_settings]

    @property
    def defaults(self) -> dict[str, Any]:
        """The optimizer's settings for groups that do not set their own."""
        defaults: dict[str, Any] = self.optimizer.defaults
        return defaults

    def get_lr(self) -> dict[str, list[float]]:
        """Return each group's learning rate as ``lr``, and the base one as ``base_lr``."""
        rates: dict[str, list[float]] = {}
        if self.base_param_settings is not None:
            rates["base_lr"] = [self.base_param_settings["lr"]]
        rates["lr"] = [group["lr"] for group in self.optimizer.param_groups]
        return rates

    def get_momentum(self) -> dict[str, list[float]]:
        """Return each group's momentum, or the first of its betas, or 0, as ``momentum``."""
        return {"momentum": [_momentum(group) for group in self.optimizer.param_groups]}

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state and the base settings."""
        state: dict[str, Any] = self.optimizer.state_dict()
        if self.base_param_settings is not None:
            state["base_param_settings"] = self.base_param_settings
        return state

    def check_state_dict(self, state_dict: Any) -> None:
        """Raise what `load_state_dict` would of a state that does not fit; change nothing."""
        check_state(self.optimizer, state_dict)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state.

        Raises
        ------
        StateMismatchError
            If it is of other parameter groups, or of another optimizer; nothing was changed then.
        """
        self.check_state_dict(state_dict)
        state = dict(state_dict)
        base = state.pop("base_param_settings", None)
        self.optimizer.load_state_dict(state)
        if base is not None and self.base_param_settings is not None:
            self.base_param_settings.update(base)

    def initialize_count_status(  # noqa: B027  # nothing, for most
        self,
        model: torch.nn.Module,
        init_counts: int,
        max_counts: int,
        *,
        epoch_length: int | None = None,
        epoch_done: int | None = None,
    ) -> None:
        """Hear, as training begins, how many iterations are done, of how many, by which epochs."""

    def accumulation_state(self) -> dict[str, Any] | None:
        """Return what is gathered for a step that is not made yet; None where there is nothing."""
        return None

    def load_accumulation_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027  # as above
        """Take up what was gathered for a step that was not made yet."""

    def train(self, mode: bool = True) -> None:  # noqa: B027  # nothing, for most
        """Switch an optimizer that keeps other weights for training; others have nothing to do."""

    def eval(self) -> None:
        """Switch to the weights that are to be evaluated and saved, where they are others."""
        self.train(False)

    def settle(self) -> None:  # noqa: B027  # nothing, for most
        """Wait for what the steps so far have left under way, and act on it."""

    def report(self, name: str, value: float | Tensor) -> None:
        """Hand a measurement to the sink."""
        if self.on_scalar is not None:
            self.on_scalar(name, value.detach() if isinstance(value, torch.Tensor) else value)


def _momentum(group: dict[str, Any]) -> float:
    if "momentum" in group:
        momentum: float = group["momentum"]
        return momentum
    betas = group.get("betas")
    return betas[0] if betas else 0
