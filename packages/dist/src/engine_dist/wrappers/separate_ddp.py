"""Data parallelism part by part, for models whose parts are trained in turns, such as GANs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from engine_dist.protocols import OptimizerUpdater
from engine_dist.wrappers.ddp import MMDistributedDataParallel
from engine_registry import MODEL_WRAPPERS

__all__ = ["MMSeparateDistributedDataParallel"]


@MODEL_WRAPPERS.register_module()
class MMSeparateDistributedDataParallel(DistributedDataParallel):
    """Wrap each child of a model that is trained by itself; the model runs its own steps.

    Children without trainable parameters stay as they are.

    Parameters
    ----------
    module : nn.Module
        The model, on the device of this process, with ``train_step``, ``val_step`` and
        ``test_step``. Its children are replaced by their wrappers, whose ``module`` they are.
    broadcast_buffers : bool
        Copy buffers from rank 0 before every forward pass.
    find_unused_parameters : bool
        Look in every iteration for parameters that took no part in the loss.
    **kwargs
        Passed on to each `MMDistributedDataParallel`.

    Raises
    ------
    ValueError
        If the model trains parameters that no child, or more than one, has: no wrapper, or two,
        would average their gradients.
    """

    def __init__(
        self,
        module: nn.Module,
        broadcast_buffers: bool = False,
        find_unused_parameters: bool = False,
        **kwargs: Any,
    ) -> None:
        nn.Module.__init__(self)  # what exchanges gradients are the children's wrappers
        _require_owners(module)
        self.module = module
        group: Any = kwargs.get("process_group")
        self.process_group = group
        for name, child in list(module.named_children()):
            if any(p.requires_grad for p in child.parameters()):
                wrapped = MMDistributedDataParallel(
                    child,
                    broadcast_buffers=broadcast_buffers,
                    find_unused_parameters=find_unused_parameters,
                    **kwargs,
                )
                setattr(module, name, wrapped)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model, whose children exchange their own gradients."""
        return self.module(*args, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Keep the gradients of all children to this process, for accumulation."""
        with ExitStack() as stack:
            for child in self.module.children():
                if isinstance(child, DistributedDataParallel):
                    stack.enter_context(child.no_sync())
            yield

    def train_step(self, data: Any, optim_wrapper: OptimizerUpdater) -> Mapping[str, Tensor]:
        """Run the model's own training step."""
        log: Mapping[str, Tensor] = self._step("train_step")(data, optim_wrapper)
        return log

    def val_step(self, data: Any) -> Any:
        """Return the model's own predictions for one batch."""
        return self._step("val_step")(data)

    def test_step(self, data: Any) -> Any:
        """Return the model's own predictions for one batch."""
        return self._step("test_step")(data)

    def _step(self, name: str) -> Any:
        return getattr(self.module, name)


def _require_owners(module: nn.Module) -> None:
    """Refuse trainable parameters of no child, or of several."""
    owners: dict[int, list[str]] = {}
    for name, child in module.named_children():
        for parameter in child.parameters():
            owners.setdefault(id(parameter), []).append(name)
    for name, parameter in module.named_parameters():
        held = owners.get(id(parameter), [])
        if parameter.requires_grad and len(held) != 1:
            where = f"belongs to {' and '.join(held)}" if held else "belongs to no child"
            raise ValueError(
                f"MMSeparateDistributedDataParallel averages the gradients of each child of "
                f"{type(module).__name__} by itself, and {name} {where}; put it into one child, or "
                "use MMDistributedDataParallel"
            )
