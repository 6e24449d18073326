"""Single layers split over neighbouring processes, as a plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from engine_config.near_names import near_names
from engine_dist.late import instance_of, is_dtensor
from engine_dist.ranks import get_world_size
from engine_dist.strategies.wrapping.layer_styles import Layer, layer_of
from engine_dist.strategies.wrapping.materialising import TakenOff, tied_names

__all__ = ["TensorParallel", "split_layers"]

_HEADS = (
    "heads", "num_heads", "n_heads", "n_head", "nhead", "num_attention_heads", "num_kv_heads",
    "n_kv_heads", "num_key_value_heads",
)  # fmt: skip
_ATTRIBUTE = "tensor_parallel_plan"


@dataclass(frozen=True)
class TensorParallel:
    """How the layers of a model are split.

    Parameters
    ----------
    size : int, optional
        Over how many processes; by default over all.
    plan : Mapping, optional
        By a module's name (``*`` stands for anything) its style: one of
        `engine_dist.strategies.wrapping.layer_styles.STYLES`, a dict of ``type`` and of how what goes
        in and comes out lies (``input``, ``output``), or one of torch's ``ParallelStyle``. By default
        the model's own attribute ``tensor_parallel_plan``.
    """

    size: int | None = None
    plan: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        size = self.size
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
            raise ValueError(
                f"the size of tensor parallelism is 1 or more processes, got {size!r}"
            )
        if self.plan is not None and not isinstance(self.plan, Mapping):
            raise ValueError(
                f"a plan of tensor parallelism is a dict of modules' names and styles, got {self.plan!r}"
            )
        _refuse([_fault_of_style(*entry) for entry in (self.plan or {}).items()])

    @classmethod
    def from_setting(cls, setting: Any) -> TensorParallel:
        """Return it from one, from a dict of its arguments, or from a number of processes.

        Raises
        ------
        ValueError
            If it is none of them.
        """
        if isinstance(setting, cls):
            return setting
        given = {"size": setting} if isinstance(setting, int) else setting
        if not isinstance(given, Mapping) or set(given) - {"size", "plan"}:
            raise ValueError(f"tensor_parallel is a dict of size and plan, got {setting!r}")
        return cls(**given)

    def neighbours(self, world: int | None = None) -> int:
        """Return how many processes split a layer, of all those there are, or of another number.

        Raises
        ------
        ValueError
            If the number of all is no multiple of it.
        """
        world = get_world_size() if world is None else world
        size = world if self.size is None else self.size
        if world % size:
            raise ValueError(
                f"layers are to be split over size={size} processes, and there are {world}: start a "
                f"multiple of {size}, or set a size that divides {world}"
            )
        return size

    def fitting(self, model: nn.Module, size: int) -> dict[str, Any]:
        """Return how each module is split that the plan means.

        Raises
        ------
        ValueError
            If a pattern matches nothing, or a layer cannot be split so over so many processes.
        """
        layers = self._layers(model)
        _refuse([_misfit(model, name, layer, size) for name, layer in layers.items()])
        return layers

    def apply(self, model: nn.Module, mesh: DeviceMesh) -> None:
        """Split the layers of a model over a mesh with one dimension.

        Raises
        ------
        ValueError
            If a pattern matches nothing, a layer cannot be split so, or of several names of one
            parameter some are split otherwise than others; all such faults at once.
        """
        layers = self.fitting(model, mesh.size())
        tied, trained = tied_names(model), _trained(model)
        for name, layer in layers.items():
            module = model.get_submodule(name)
            if isinstance(layer, Layer):
                layer.apply(module, mesh)
            else:
                from torch.distributed.tensor.parallel import parallelize_module

                parallelize_module(module, mesh, layer)
        _refuse([_tie_again(model, names) for names in tied])
        for name, param in model.named_parameters():
            param.requires_grad_(trained.get(name, param.requires_grad))
            if is_dtensor(param) and param.requires_grad:
                _keep_placed(param)

    def _layers(self, model: nn.Module) -> dict[str, Any]:
        """Return how each module that is split is."""
        plan = getattr(model, _ATTRIBUTE, None) if self.plan is None else self.plan
        if not plan:
            raise ValueError(
                f"{type(model).__name__} has no plan of how its layers are split: give plan="
                "dict(name='colwise', …), or the model an attribute tensor_parallel_plan"
            )
        _refuse([_fault_of_style(*entry) for entry in plan.items()])
        names = [name for name, _ in model.named_modules() if name]
        found: dict[str, tuple[str, Any]] = {}
        faults: list[str | None] = []
        for pattern, style in plan.items():
            matching = [name for name in names if fnmatchcase(name, pattern)]
            if not matching:
                faults.append(_unknown(pattern, names))
            for name in matching:
                other = found.setdefault(name, (pattern, style))
                if other[1] != style:
                    faults.append(f"{name} is meant by {other[0]!r} and by {pattern!r}")
        _refuse(faults)
        return {name: _layer(style) for name, (_, style) in found.items()}


def split_layers(model: nn.Module, how: TensorParallel, device: torch.device) -> nn.Module:
    """Split the layers of a model over all processes, and move it, part by part."""
    mesh = init_device_mesh(device.type, (how.neighbours(),), mesh_dim_names=("tp",))
    taken_off = TakenOff.of(model)
    how.apply(model, mesh)
    taken_off.put_on(model, device, device)
    return model


def _refuse(faults: list[str | None]) -> None:
    found = [fault for fault in faults if fault is not None]
    if found:
        raise ValueError(f"the plan of tensor parallelism does not fit: {'; '.join(found)}")


def _layer(style: Any) -> Any:
    return style if _is_torch_style(style) else layer_of(style)


def _is_torch_style(style: Any) -> bool:
    return instance_of(style, "torch.distributed.tensor.parallel.style", "ParallelStyle")


def _fault_of_style(pattern: str, style: Any) -> str | None:
    try:
        _layer(style)
    except ValueError as error:
        return f"{pattern!r} {error}"
    return None


def _unknown(pattern: str, names: list[str]) -> str:
    near = near_names(pattern, names)
    meant = f"; is it {near[0]!r}" if near else ""
    return f"no module is named {pattern!r}{meant} (there are: {', '.join(names[:20])})"


def _misfit(model: nn.Module, name: str, layer: Any, size: int) -> str | None:
    if not isinstance(layer, Layer):
        return None
    module = model.get_submodule(name)
    why = layer.misfit(module, size)
    if why is None and layer.style == "colwise":
        parent = model.get_submodule(name.rpartition(".")[0])
        heads = {at: getattr(parent, at, None) for at in _HEADS}
        uneven = [f"{at}={n}" for at, n in heads.items() if isinstance(n, int) and n % size]
        why = f"is of a {type(parent).__name__} with {', '.join(uneven)}" if uneven else None
    if why is None:
        return None
    remedy = f", and there are {size} processes: set a size that divides it" if "=" in why else ""
    return f"{name} {why}{remedy}"


def _trained(model: nn.Module) -> dict[str, bool]:
    return {name: param.requires_grad for name, param in model.named_parameters()}


def _tie_again(model: nn.Module, names: list[str]) -> str | None:
    """Make one parameter of what was one; return why that cannot be."""
    params = [model.get_parameter(name) for name in names]
    placed = [(p.device_mesh, p.placements) if is_dtensor(p) else None for p in params]
    if any(one != placed[0] for one in placed):
        lying = [f"{name} {_lie(param)}" for name, param in zip(names, params, strict=True)]
        return (
            f"{' and '.join(names)} are one parameter, and would be split in different ways ("
            f"{', '.join(lying)}): split all of its modules, along the same dimension (an embedding "
            "rowwise and the linear layer that shares its weight colwise_rep), or none"
        )
    for name in names[1:]:
        holder, _, own = name.rpartition(".")
        model.get_submodule(holder).register_parameter(own, params[0])
    return None


def _lie(param: Tensor) -> str:
    if not is_dtensor(param):
        return "whole"
    placement: Any = param.placements[0]
    return f"along dimension {placement.dim}" if placement.is_shard() else "replicated"


def _keep_placed(param: Any) -> None:
    """Let gradients lie as their parameter does: those of a replicated one come as parts of a sum."""
    placements = param.placements

    def settle(grad: Any) -> Any:
        return grad if grad.placements == placements else grad.redistribute(placements=placements)

    param.register_hook(settle)
