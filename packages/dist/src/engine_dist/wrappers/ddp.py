"""Data parallelism with one replica a process."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from engine_dist.protocols import OptimizerUpdater
from engine_dist.wrappers import steps
from engine_dist.wrappers.communication import communication_of
from engine_dist.wrappers.sync_batch_norm import SyncBatchNorm
from engine_registry import MODEL_WRAPPERS

__all__ = ["MMDistributedDataParallel", "detect_anomalous_params"]

logger = logging.getLogger("engine.dist")


@MODEL_WRAPPERS.register_module()
class MMDistributedDataParallel(DistributedDataParallel):
    """``DistributedDataParallel`` with the steps that the loops call.

    Parameters
    ----------
    module : nn.Module
        The model, on the device of this process.
    detect_anomalous_params : bool
        Log, after every step, the parameters that took no part in the loss. It costs a walk over
        the autograd graph: for finding a fault, not for training.
    communication_hook : str, dict or callable, optional
        How gradients are sent; see `communication_of`.
    **kwargs
        Passed on to ``DistributedDataParallel``, as ``find_unused_parameters``, ``static_graph``
        and ``gradient_as_bucket_view``. ``device_ids`` are by default the module's CUDA device.

    Notes
    -----
    With ``static_graph`` the first iteration exchanges its gradients even where they are to be
    accumulated: torch learns the graph in it. What is averaged already stays so, and the step
    comes out the same.
    """

    def __init__(
        self,
        module: nn.Module,
        detect_anomalous_params: bool = False,
        *,
        communication_hook: Any = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("device_ids", _cuda_device(module))
        with warnings.catch_warnings():
            # torch 2.13 names a successor that it does not have in full yet
            warnings.filterwarnings("ignore", "`broadcast_buffers` is dep", FutureWarning)
            super().__init__(module=module, **kwargs)
        self.detect_anomalous_params = detect_anomalous_params
        self._learning = bool(kwargs.get("static_graph", False))
        if self._learning:
            self._learnt = self.register_forward_hook(_note_synchronised)
        if communication_hook is not None:
            communication_of(communication_hook).register(self)

    def _passing_sync_batchnorm_handle(self, module: nn.Module) -> None:
        """Refuse, as torch does, its synchronised batch norm on a CPU; ours is for both."""
        layers = [m for m in module.modules() if isinstance(m, nn.SyncBatchNorm)]
        if not all(isinstance(layer, SyncBatchNorm) for layer in layers):
            super()._passing_sync_batchnorm_handle(module)  # type: ignore[no-untyped-call]  # torch's

    def no_sync(self) -> Any:  # a context
        """Keep gradients to this process, for accumulation."""
        return nullcontext() if self._learning else super().no_sync()

    def train_step(self, data: Any, optim_wrapper: OptimizerUpdater) -> Mapping[str, Tensor]:
        """Run one training step with gradients averaged over the processes."""
        inspect = self._report_unused if self.detect_anomalous_params else None
        return steps.train_step(self, self.module, data, optim_wrapper, inspect)

    def _report_unused(self, loss: Tensor) -> None:
        for name in detect_anomalous_params(loss, self.module):
            logger.error("parameter %s took no part in the loss", name)

    def val_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""
        return _own_step(self.module, "val_step", data)

    def test_step(self, data: Any) -> Any:
        """Return the predictions for one batch."""
        return _own_step(self.module, "test_step", data)


def _note_synchronised(wrapper: MMDistributedDataParallel, args: Any, output: Any) -> None:
    """End the learning of a static graph with the first forward pass that is to be learnt from."""
    if torch.is_grad_enabled():
        wrapper._learning = False
        wrapper._learnt.remove()


def _cuda_device(module: nn.Module) -> list[int] | None:
    devices = {p.device for p in module.parameters()}
    only = devices.pop() if len(devices) == 1 else None
    return None if only is None or only.type != "cuda" or only.index is None else [only.index]


def _own_step(module: nn.Module, name: str, data: Any) -> Any:
    step = getattr(module, name, None)
    return steps.predict_step(module, data) if step is None else step(data)


def detect_anomalous_params(loss: Tensor, model: nn.Module) -> list[str]:
    """Return the names of the trainable parameters that ``loss`` does not depend on."""
    reached: set[int] = set()
    seen: set[Any] = set()
    pending = [loss.grad_fn]
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            reached.add(id(variable))
        pending.extend(parent for parent, _ in node.next_functions)
    return [
        name for name, p in model.named_parameters() if p.requires_grad and id(p) not in reached
    ]
