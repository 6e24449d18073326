"""Optimizer states shared out over the ranks (ZeRO, stage 1), by the name of an optimizer."""

from __future__ import annotations

from typing import Any

from engine_dist.capabilities import ability_of_optimizer, refusal
from engine_dist.sharded_optimizer import ShardedOptimizer
from engine_optim.errors import OptimError
from engine_registry import OPTIMIZERS

__all__ = ["ZeroRedundancyOptimizer"]


@OPTIMIZERS.register_module()
class ZeroRedundancyOptimizer(ShardedOptimizer):
    """Each rank keeps the state of a share of the parameters, and sends what it updated.

    Parameters
    ----------
    params
        Parameters or groups.
    optimizer_type : str
        Name of the optimizer that updates a share, such as ``"AdamW"``.
    **kwargs
        Its arguments, and ``process_group`` and ``parameters_as_bucket_view`` of
        ``torch.distributed.optim.ZeroRedundancyOptimizer``.

    Raises
    ------
    OptimError
        If no optimizer has that name, or its states cannot be shared out.
    ImportError
        If this build of torch has no such class.
    RuntimeError
        Without a process group.
    """

    def __init__(self, params: Any, optimizer_type: str, **kwargs: Any) -> None:
        kind: Any = OPTIMIZERS.get(optimizer_type)
        if kind is None or optimizer_type == type(self).__name__:
            raise OptimError(
                f"optimizer_type={optimizer_type!r} is no optimizer; it is one of "
                f"{sorted(set(OPTIMIZERS.module_dict) - {type(self).__name__})}"
            )
        ability = ability_of_optimizer(optimizer_type)
        refused = None if ability is None else refusal("ZeRO1Strategy", ability)
        if refused is not None:
            raise OptimError(f"optimizer_type={optimizer_type!r}: as {refused}")
        super().__init__(params, kind, **kwargs)
