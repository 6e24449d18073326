"""A model's tensors taken off, and put on again part by part where the model has been split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine_dist.collectives import broadcast
from engine_dist.late import is_dtensor
from engine_dist.ranks import is_main_process
from engine_dist.scattering import Scattering

__all__ = ["TakenOff", "tied_names"]


@dataclass(frozen=True)
class TakenOff:
    """The values of a model that has none: of the main process, which stand for those of all.

    Attributes
    ----------
    params, buffers : dict
        By name, each once; those that are not saved, too. Nothing on other processes.
    """

    params: dict[str, Tensor]
    buffers: dict[str, Tensor]

    @classmethod
    def of(cls, model: nn.Module) -> TakenOff:
        """Leave a model with parameters on the meta device, and return its values.

        Raises
        ------
        ValueError
            If the main process has none of a tensor.
        """
        held = (
            {name: param.detach() for name, param in model.named_parameters()},
            dict(model.named_buffers()),
        )
        if is_main_process():
            _require_values(held[0] | held[1])
        _take_off(model)
        return cls(*held) if is_main_process() else cls({}, {})

    @torch.no_grad()
    def put_on(self, model: nn.Module, device: torch.device, params: torch.device) -> None:
        """Give a model that is split its values; each process gets its own parts alone.

        Parameters
        ----------
        model : nn.Module
            The model, its parameters on the meta device.
        device : torch.device
            Where buffers go.
        params : torch.device
            Where parameters go.

        Raises
        ------
        ValueError
            If the model holds tensors that are neither parameters nor buffers, and on the meta
            device.
        """
        _refuse_other_tensors(model)
        tied = tied_names(model)
        model.to_empty(device=params)
        for first, *others in tied:  # those that are not split have become several
            for name in others:
                holder, _, own = name.rpartition(".")
                setattr(model.get_submodule(holder), own, model.get_parameter(first))
        scatter = Scattering()
        for name, param in model.named_parameters():
            value = self.params.get(name)
            if is_dtensor(param):
                param.to_local().copy_(scatter(value, param, param.dtype).to_local())
                continue
            if value is not None:
                param.copy_(value)
            broadcast(param)
        self._put_buffers(model, device)

    def _put_buffers(self, model: nn.Module, device: torch.device) -> None:
        made: dict[int, Tensor] = {}
        for name, buffer in model.named_buffers():
            value = torch.empty_like(buffer, device=device)
            if is_main_process():
                value.copy_(self.buffers[name])
            broadcast(value)
            made[id(buffer)] = value
        for module in model.modules():
            for name, own in module._buffers.items():
                if own is not None:
                    module._buffers[name] = made[id(own)]


def tied_names(model: nn.Module) -> list[list[str]]:
    """Return the names of each parameter that has several."""
    names: dict[int, list[str]] = {}
    for name, param in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(param), []).append(name)
    return [each for each in names.values() if len(each) > 1]


def _require_values(tensors: dict[str, Tensor]) -> None:
    without = [name for name, tensor in tensors.items() if tensor.is_meta]
    if without:
        raise ValueError(
            f"the main process has no values of {', '.join(without[:10])}, which are on the meta "
            "device: build the model there on the other processes alone, as "
            "FSDPStrategy(meta_init=True) does"
        )


def _take_off(model: nn.Module) -> None:
    """Put parameters on the meta device, those that are shared still so."""
    made: dict[int, nn.Parameter] = {}
    for module, name, param in list(_each_param(model)):
        if id(param) not in made:
            empty = torch.empty_like(param, device="meta")
            made[id(param)] = nn.Parameter(empty, requires_grad=param.requires_grad)
        module._parameters[name] = made[id(param)]


def _each_param(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    for module in model.modules():
        for name, param in module._parameters.items():
            if param is not None:
                yield module, name, param


def _refuse_other_tensors(model: nn.Module) -> None:
    found = [
        f"{path}.{name}" if path else name
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor) and value.is_meta
    ]
    if found:
        raise ValueError(
            f"{', '.join(found)}: tensors that are neither parameters nor buffers have no values "
            "where a model is built on the meta device; register them by register_buffer(…, "
            "persistent=False), or leave meta_init out"
        )
