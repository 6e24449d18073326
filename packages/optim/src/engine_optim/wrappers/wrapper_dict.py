"""Several optimizers under names, for models such as GANs."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NoReturn

import torch
from torch import Tensor

from engine_optim.errors import StateMismatchError
from engine_optim.wrappers.base import BaseOptimWrapper, ScalarSink
from engine_optim.wrappers.optim_wrapper import OptimWrapper
from engine_optim.wrappers.state import raise_together

__all__ = ["OptimWrapperDict"]


class OptimWrapperDict(OptimWrapper):
    """Optimizer wrappers by name; losses and steps are the named ones' affair.

    Parameters
    ----------
    **optim_wrapper_dict
        Wrappers by name.

    Examples
    --------
    >>> nets = {name: torch.nn.Linear(2, 1) for name in ("critic", "actor")}
    >>> wrappers = OptimWrapperDict(**{
    ...     name: OptimWrapper(torch.optim.SGD(net.parameters(), lr=0.1))
    ...     for name, net in nets.items()
    ... })
    >>> wrappers["critic"].update_params(nets["critic"](torch.ones(1, 2)).sum())
    >>> wrappers.get_lr()
    {'critic.lr': [0.1], 'actor.lr': [0.1]}
    """

    def __init__(self, **optim_wrapper_dict: BaseOptimWrapper) -> None:
        for name, wrapper in optim_wrapper_dict.items():
            if not isinstance(wrapper, BaseOptimWrapper):
                raise TypeError(
                    f"OptimWrapperDict takes optimizer wrappers, but {name!r} is a "
                    f"{type(wrapper).__name__}"
                )
        self.optim_wrappers = dict(optim_wrapper_dict)

    @property
    def on_scalar(self) -> ScalarSink | None:
        """Where the wrappers' measurements go."""
        return next((wrapper.on_scalar for wrapper in self.values()), None)

    @on_scalar.setter
    def on_scalar(self, sink: ScalarSink | None) -> None:
        for name, wrapper in self.items():
            wrapper.on_scalar = None if sink is None else _named(sink, name)

    def update_params(
        self,
        loss: Tensor,
        step_kwargs: dict[str, Any] | None = None,
        zero_kwargs: dict[str, Any] | None = None,
        *,
        count: float | Tensor | None = None,
    ) -> None:
        """Refuse: call it of one of the wrappers."""
        self._refuse("update_params")

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Refuse: call it of one of the wrappers."""
        self._refuse("backward")

    def step(self, **kwargs: Any) -> None:
        """Refuse: call it of one of the wrappers."""
        self._refuse("step")

    def optim_context(
        self, model: torch.nn.Module, name: str | None = None
    ) -> AbstractContextManager[None]:
        """Return the context of the wrapper of that name; without one, refuse."""
        if name is None:
            self._refuse("optim_context")
        wrapper: Any = self.optim_wrappers[name]
        context: AbstractContextManager[None] = wrapper.optim_context(model)
        return context

    def zero_grad(self, **kwargs: Any) -> None:
        """Clear the gradients of all wrappers."""
        for wrapper in self.values():
            wrapper.zero_grad(**kwargs)

    def train(self, mode: bool = True) -> None:
        """Switch all that have modes."""
        for wrapper in self.values():
            if isinstance(wrapper, OptimWrapper):
                wrapper.train(mode)

    def settle(self) -> None:
        """Wait for what the guards of all have not yet seen, and act on it."""
        for wrapper in self.values():
            wrapper.settle()

    @property
    def half_gathered(self) -> bool:
        """False: how the wrappers' losses fall into iterations is not known, nor if all ever meet."""
        return False

    def accumulation_state(self) -> dict[str, Any] | None:
        """Return what every wrapper has gathered for its next step, by name."""
        states = {name: wrapper.accumulation_state() for name, wrapper in self.items()}
        return {name: state for name, state in states.items() if state is not None} or None

    def load_accumulation_state(self, state: Mapping[str, Any]) -> None:
        """Take up what the wrappers of these names had gathered."""
        for name, own in state.items():
            self[name].load_accumulation_state(own)

    def initialize_count_status(
        self,
        model: torch.nn.Module,
        cur_iter: int,
        max_iters: int,
        *,
        epoch_length: int | None = None,
        epoch_done: int | None = None,
    ) -> None:
        """Do nothing: how often each wrapper sees a loss in an iteration is not known."""

    @property
    def param_groups(self) -> dict[str, list[dict[str, Any]]]:  # type: ignore[override]  # by name
        """Every wrapper's parameter groups by its name."""
        return {name: wrapper.param_groups for name, wrapper in self.items()}

    def get_lr(self) -> dict[str, list[float]]:
        """Return learning rates as ``<name>.lr`` and ``<name>.base_lr``."""
        return {
            f"{name}.{key}": values
            for name, wrapper in self.items()
            for key, values in wrapper.get_lr().items()
        }

    def get_momentum(self) -> dict[str, list[float]]:
        """Return momenta as ``<name>.momentum``."""
        return {
            f"{name}.{key}": values
            for name, wrapper in self.items()
            for key, values in wrapper.get_momentum().items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Return every wrapper's state by its name."""
        return {name: wrapper.state_dict() for name, wrapper in self.items()}

    def check_state_dict(self, state_dict: Any) -> None:
        """Raise what `load_state_dict` would of states that do not fit; change nothing."""
        names = sorted(map(str, state_dict)) if isinstance(state_dict, Mapping) else None
        if names != sorted(self.keys()):
            said = (
                f"{state_dict!r:.40}, no dict" if names is None else f"of the optimizers {names}"
            )
            raise StateMismatchError(
                f"the saved state is {said}, these are {sorted(self.keys())}; nothing was loaded"
            )
        raise_together(
            [partial(self[name].check_state_dict, state) for name, state in state_dict.items()]
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over states by name.

        Raises
        ------
        StateMismatchError
            If the names, or the groups of one of them, differ; nothing was changed then.
        """
        self.check_state_dict(state_dict)
        for name, state in state_dict.items():
            self[name].load_state_dict(state)

    def items(self) -> ItemsView[str, BaseOptimWrapper]:  # type: ignore[override]  # MMEngine's name
        """Return names and wrappers."""
        return self.optim_wrappers.items()

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self.optim_wrappers.keys()

    def values(self) -> ValuesView[BaseOptimWrapper]:
        """Return the wrappers."""
        return self.optim_wrappers.values()

    def __getitem__(self, key: str) -> BaseOptimWrapper:
        return self.optim_wrappers[key]

    def __contains__(self, key: object) -> bool:
        return key in self.optim_wrappers

    def __iter__(self) -> Iterator[str]:
        return iter(self.optim_wrappers)

    def __len__(self) -> int:
        return len(self.optim_wrappers)

    def __repr__(self) -> str:
        return "".join(f"name: {name}\n{wrapper!r}" for name, wrapper in self.items())

    def _refuse(self, method: str) -> NoReturn:
        raise NotImplementedError(
            f"`{method}` should be called by each optimizer separately: "
            f"optim_wrapper[name].{method}(…), name one of {list(self.keys())}"
        )


def _named(sink: ScalarSink, name: str) -> ScalarSink:
    def report(scalar: str, value: float | Tensor) -> None:
        sink(f"{name}.{scalar}", value)

    return report
