"""Parameters laid end to end and split over the processes, by FSDP1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from engine_dist.collectives import broadcast
from engine_dist.flat_parameters import keep_state, note_runs
from engine_dist.ranks import get_world_size
from engine_dist.strategies.choosing import Choice
from engine_dist.strategies.wrapping.sharded import refuse_shared
from engine_dist.strategies.wrapping.wrapping import Wrapping
from engine_registry import MODEL_WRAPPERS, build_as

__all__ = ["FlatSharded"]


@dataclass(frozen=True)
class FlatSharded(Wrapping):
    """Wrap a model and chosen parts of it by `MMFullyShardedDataParallel`.

    Parameters
    ----------
    choice : Choice
        Modules that are gathered one by one; the rest is with the whole model.
    sharding : str
        ``FULL_SHARD``, ``SHARD_GRAD_OP`` or ``NO_SHARD``.
    settings : Mapping
        More of the wrapper's settings.
    whole_states : bool
        Whether the model's state is whole on each process, rather than split.
    """

    choice: Choice = field(default_factory=Choice)
    sharding: str = "FULL_SHARD"
    settings: Mapping[str, Any] = field(default_factory=dict)
    whole_states: bool = False

    @property
    def forward_is_collective(self) -> bool:
        """Whether parameters are gathered in a forward pass."""
        return self.sharding != "NO_SHARD"

    def place(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Move the model, and give all processes the main one's values."""
        model = model.to(device)
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                broadcast(tensor)
        return model

    def wrap(self, model: nn.Module) -> nn.Module:
        """Split the model's parts, then what is left of it."""
        chosen = self.choice.of(model)
        refuse_shared(model, chosen)
        shapes = {name: param.shape for name, param in model.named_parameters()}
        device = next(model.parameters()).device
        for part in chosen.values():
            _put_in_place_of(model, part, self._wrapped(part, device))
        wrapped = self._wrapped(model, device)
        world = get_world_size()
        if self.forward_is_collective and world > 1:
            mesh = init_device_mesh(device.type, (world,), mesh_dim_names=("shard",))
            note_runs(dict(model.named_parameters()), shapes, mesh)
        keep_state(model, self.whole_states)
        keep_state(wrapped, self.whole_states)
        return wrapped

    def _wrapped(self, part: nn.Module, device: torch.device) -> nn.Module:
        settings = {
            "type": "MMFullyShardedDataParallel", "sharding_strategy": self.sharding,
            "device_id": device, **self.settings,
        }  # fmt: skip
        return build_as(MODEL_WRAPPERS, settings, nn.Module, module=part)


def _put_in_place_of(model: nn.Module, part: nn.Module, other: nn.Module) -> None:
    """Put one module where another is, everywhere."""
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if child is part and module is not other:
                module._modules[name] = other
