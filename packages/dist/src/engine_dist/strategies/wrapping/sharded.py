"""Parameters, gradients and optimizer states split over the processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from engine_dist.ranks import get_world_size
from engine_dist.strategies.choosing import Choice
from engine_dist.strategies.wrapping.materialising import TakenOff
from engine_dist.strategies.wrapping.tensor_parallel import TensorParallel
from engine_dist.strategies.wrapping.wrapping import Wrapping

if TYPE_CHECKING:
    from torch.distributed.fsdp import MixedPrecisionPolicy, OffloadPolicy

__all__ = ["Sharded", "refuse_shared"]


def _as_they_are() -> MixedPrecisionPolicy:
    from torch.distributed.fsdp import MixedPrecisionPolicy

    return MixedPrecisionPolicy()


@dataclass(frozen=True)
class Sharded(Wrapping):
    """Split a model by ``fully_shard``.

    Parameters
    ----------
    choice : Choice
        Modules that are gathered one by one; the rest is with the whole model.
    policy : MixedPrecisionPolicy
        In which types.
    reshard_after_forward : bool or int, optional
        Whether parameters are split again between forward and backward; an integer splits them
        over that many processes. By default all are but the outermost.
    offload : bool
        Keep parameters, gradients and the optimizer's state on the host.
    replicas : int
        Groups of processes that hold the whole model each, and average over groups.
    tensor_parallel : TensorParallel, optional
        How single layers are split over neighbours before.
    """

    choice: Choice = field(default_factory=Choice)
    policy: MixedPrecisionPolicy = field(default_factory=_as_they_are)
    reshard_after_forward: bool | int | None = None
    offload: bool = False
    replicas: int = 1
    tensor_parallel: TensorParallel | None = None

    @property
    def forward_is_collective(self) -> bool:
        """Every forward pass gathers parameters."""
        return True

    def place(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Split the model and move it, part by part."""
        from torch.distributed.fsdp import fully_shard

        chosen = self.choice.of(model)
        refuse_shared(model, chosen)
        mesh = self._mesh(device)
        taken_off = TakenOff.of(model)
        if self.tensor_parallel is not None:
            self.tensor_parallel.apply(model, mesh["tp"])
            mesh = mesh[tuple(name for name in mesh.mesh_dim_names or () if name != "tp")]
        for part in (*chosen.values(), model):
            fully_shard(
                part,
                mesh=mesh,
                mp_policy=self.policy,
                reshard_after_forward=self.reshard_after_forward,
                offload_policy=self._offload_policy(device),
            )
        taken_off.put_on(model, device, torch.device("cpu") if self.offload else device)
        for part in model.modules():  # who keep where they are, as preprocessors do
            if next(part.parameters(), None) is None:
                part.to(device)
        return model

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model, which is split where it is."""
        return model

    def _mesh(self, device: torch.device) -> DeviceMesh:
        split = self.tensor_parallel
        world, neighbours = get_world_size(), 1 if split is None else split.neighbours()
        shares = world // neighbours
        if self.replicas < 1 or shares % self.replicas:
            among = "" if split is None else f" over size={neighbours} of tensor_parallel"
            raise ValueError(
                f"replicas must divide the number of processes{among}, {shares}, got {self.replicas}"
            )
        dims = {"replicate": self.replicas, "shard": shares // self.replicas}
        if self.replicas == 1:
            dims = {"shard" if split is None else "dp": shares}
        if split is not None:
            dims["tp"] = neighbours
        return init_device_mesh(device.type, tuple(dims.values()), mesh_dim_names=tuple(dims))

    def _offload_policy(self, device: torch.device) -> OffloadPolicy:
        from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy

        # without an accelerator there is no memory to be pinned for it
        return CPUOffloadPolicy(device.type != "cpu") if self.offload else OffloadPolicy()


def refuse_shared(model: nn.Module, chosen: dict[str, nn.Module]) -> None:
    """Refuse to gather apart what several modules share.

    Raises
    ------
    ValueError
    """
    holders: dict[int, set[str]] = {}
    names: dict[int, list[str]] = {}
    for name, param in model.named_parameters(remove_duplicate=False):
        around = [part for part in chosen if name.startswith(f"{part}.")]
        holders.setdefault(id(param), set()).add(max(around, key=len, default=""))
        names.setdefault(id(param), []).append(name)
    for key, parts in holders.items():
        if len(parts) > 1:
            raise ValueError(
                f"{' and '.join(names[key])} are one parameter, and {', '.join(filter(None, parts))} "
                "would be gathered without the other: leave it out of `wrap`, or choose a module "
                "around both"
            )
