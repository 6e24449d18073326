"""One replica a process, the states of its optimizer shared out: ZeRO's first stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn
from torch.optim import Optimizer

from engine_dist.sharded_optimizer import ShardedOptimizer, shard_states
from engine_dist.strategies.ddp import DDPStrategy
from engine_dist.strategies.strategy import Prepared
from engine_registry import STRATEGIES

__all__ = ["ZeRO1Strategy"]

O = TypeVar("O")  # noqa: E741  # the optimizer, whatever the caller makes


@STRATEGIES.register_module()
class ZeRO1Strategy(DDPStrategy):
    """`DDPStrategy` of which each process keeps a share of the optimizer's states.

    The optimizer is the configuration's, by its own name. In a checkpoint stands its whole state,
    so that a run may go on with it under any strategy, and with any number of processes.

    Parameters are `DDPStrategy`'s.
    """

    def _prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]:
        """Put a model in its place, and share out the states of what ``make_optimizer`` makes.

        That is an optimizer, what has one as ``optimizer``, or several such by name as
        ``optim_wrappers``.

        Raises
        ------
        TypeError
            If it is none of them.
        """
        prepared = super()._prepare(model, make_optimizer)
        made: Any = prepared.optimizer
        if made is None:
            return prepared
        return Prepared(prepared.model, _sharded(made))


def _sharded(made: Any) -> Any:
    """Return an optimizer that shares its states out, or what holds one, which does from now on."""
    if isinstance(made, Optimizer):
        return made if isinstance(made, ShardedOptimizer) else shard_states(made)
    several = getattr(made, "optim_wrappers", None)
    if several is not None:
        for wrapper in several.values():
            _sharded(wrapper)
        return made
    if not isinstance(getattr(made, "optimizer", None), Optimizer):
        raise TypeError(
            "ZeRO1Strategy shares out the states of a torch optimizer, or of the one in an "
            f"optimizer wrapper, got {type(made).__name__}"
        )
    made.optimizer = _sharded(made.optimizer)
    return made
