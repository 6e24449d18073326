"""Single layers split over the processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from engine_dist.data_parallel import data_parallel
from engine_dist.strategies.fsdp import FSDPStrategy
from engine_dist.strategies.wrapping import Sharded, Wrapping
from engine_dist.strategies.wrapping.tensor_parallel import TensorParallel, split_layers
from engine_registry import STRATEGIES

__all__ = ["TensorParallelStrategy"]


@STRATEGIES.register_module()
class TensorParallelStrategy(FSDPStrategy):
    """Split single layers over the processes, each of which computes its part of every sample.

    The processes that split a layer together are neighbours: they read the same samples, so that
    samples, iterations and learning rates are those of as many processes as there are groups of
    them. Random numbers are the same among neighbours; where a layer's dropout is in the plan, each
    drops of its part what one process would drop of it. Where a mask is drawn by other means on a part,
    each neighbour draws the same numbers for its own.

    With more processes than ``size``, groups of neighbours are replicas of which the gradients are
    averaged. To split what is left over them, use ``FSDPStrategy(tensor_parallel=dict(size=…))``.

    Parameters
    ----------
    size : int, optional
        Over how many processes a layer is split; by default over all.
    plan : Mapping, optional
        How: by a module's name (``*`` stands for anything) ``"colwise"``, ``"rowwise"``,
        ``"colwise_rep"``, ``"sequence"`` or ``"split_sequence"``; or a dict with one of them as
        ``type``, and with ``input`` and ``output`` that are ``"replicated"``, ``"sequence"`` or
        ``"features"``; or one of torch's ``ParallelStyle``. By default what the model has as
        ``tensor_parallel_plan``.
    skip_init_weights, activation_checkpointing, meta_init, compile_blocks, device
        As in `FSDPStrategy`.
    **run
        What `BaseStrategy` takes of a run, ``work_dir`` and the like.

    Raises
    ------
    ValueError
        If the plan has an unknown style; before training, if it does not fit the model, or the size
        the number of processes.

    Examples
    --------
    >>> plan = {"blocks.*.up": "colwise", "blocks.*.down": "rowwise"}
    >>> strategy = TensorParallelStrategy(2, plan, device="cpu")
    """

    def __init__(
        self,
        size: int | None = None,
        plan: Mapping[str, Any] | None = None,
        *,
        skip_init_weights: bool = False,
        activation_checkpointing: Mapping[str, Any] | None = None,
        meta_init: bool = False,
        compile_blocks: Mapping[str, Any] | None = None,
        device: str | torch.device | None = None,
        **run: Any,
    ) -> None:
        how = TensorParallel(size, plan)
        super().__init__(
            skip_init_weights=skip_init_weights,
            activation_checkpointing=activation_checkpointing,
            meta_init=meta_init,
            compile_blocks=compile_blocks,
            tensor_parallel=how,
            device=device,
            **run,
        )
        self.wrapping = _SplitLayers(how)

    @property
    def forward_is_collective(self) -> bool:
        """Whether groups of neighbours need each other in a forward pass."""
        return data_parallel().size > 1


@dataclass(frozen=True)
class _SplitLayers(Wrapping):
    """Splits layers over neighbours, and keeps as many replicas as there are groups of them."""

    how: TensorParallel = field(default_factory=TensorParallel)

    def place(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Split the layers and move the model, part by part."""
        replicas = data_parallel().size
        if replicas == 1:
            return split_layers(model, self.how, device)
        whole = Sharded(reshard_after_forward=False, replicas=replicas, tensor_parallel=self.how)
        return whole.place(model, device)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model, which is split where it is."""
        return model
