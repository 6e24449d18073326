"""Data parallelism with one replica a process."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from engine_dist.protocols import OptimizerUpdater
from engine_dist.wrappers import steps
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
    **kwargs
        Passed on to ``DistributedDataParallel``.
    """

    def __init__(
        self, module: nn.Module, detect_anomalous_params: bool = False, **kwargs: Any
    ) -> None:
        with warnings.catch_warnings():
            # torch 2.13 names a successor that it does not have in full yet
            warnings.filterwarnings("ignore", "`broadcast_buffers` is dep", FutureWarning)
            super().__init__(module=module, **kwargs)
        self.detect_anomalous_params = detect_anomalous_params

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
