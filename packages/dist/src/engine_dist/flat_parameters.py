"""Parameters of which each process holds a run of numbers, as FSDP1 leaves them, and their states.

FSDP1 lays the parameters of a part end to end and gives each process an equal run of that: of a
parameter a process may have all numbers, some, or none, and no longer its shape. A state holds each
tensor split by rows, as FSDP2 splits it, so that it is that of any other strategy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from engine_dist.collectives import all_gather
from engine_dist.late import instance_of, is_dtensor
from engine_dist.object_collectives import all_gather_object
from engine_dist.ranks import get_rank

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = [
    "Run",
    "as_runs",
    "is_fully_sharded",
    "keep_state",
    "mark_runs",
    "note_runs",
    "run_of",
    "shape_when_whole",
    "states_whole",
]

_MARK = "_engine_run"  # of a parameter, whose run it is
_INSIDE = "_fsdp_wrapped_module."  # what FSDP1 puts into names
_RAW: ContextVar[bool] = ContextVar("raw", default=False)


@dataclass(frozen=True)
class Run:
    """Which numbers of a parameter each process holds.

    Attributes
    ----------
    shape : torch.Size
        Of the parameter.
    sizes : tuple of int
        How many numbers each process has, in order.
    mesh : DeviceMesh
        The processes.
    """

    shape: torch.Size
    sizes: tuple[int, ...]
    mesh: DeviceMesh

    def whole(self, own: Tensor) -> Tensor:
        """Put the runs of all processes together; every one calls it."""
        most = max(self.sizes)
        padded = own.new_zeros(most)
        padded[: own.numel()] = own.detach().reshape(-1)
        every = all_gather(padded, self.mesh.get_group())
        held = [run[:size] for run, size in zip(every, self.sizes, strict=True)]
        return torch.cat(held).view(self.shape)

    def by_rows(self, own: Tensor) -> DTensor:
        """Return the parameter split by rows; every process calls it."""
        from torch.distributed.tensor import DTensor, Shard

        full = self.whole(own)
        chunks, at = full.chunk(len(self.sizes)), get_rank()
        mine = chunks[at].clone() if at < len(chunks) else full[:0].clone()
        return DTensor.from_local(
            mine, self.mesh, [Shard(0)], run_check=False, shape=full.shape, stride=full.stride()
        )

    def cut(self, value: Tensor) -> Tensor:
        """Return this process' run of a tensor of the parameter's shape, whole or split."""
        full = value.full_tensor() if is_dtensor(value) else value
        start = sum(self.sizes[: get_rank()])
        return full.reshape(-1)[start : start + self.sizes[get_rank()]]


def is_fully_sharded(module: nn.Module) -> bool:
    """Tell whether a module is FSDP1's wrapper around another."""
    return instance_of(module, "torch.distributed.fsdp", "FullyShardedDataParallel")


def run_of(param: Tensor) -> Run | None:
    """Return which run of a parameter this process has; None of a tensor that is whole."""
    found: Run | None = getattr(param, _MARK, None)
    return found


def shape_when_whole(param: Tensor) -> torch.Size:
    """Return the shape of a parameter, whatever run of it is here."""
    run = run_of(param)
    return param.shape if run is None else run.shape


def mark_runs(pairs: Iterable[tuple[Tensor, Run | None]]) -> None:
    """Note of parameters which runs they are."""
    for param, run in pairs:
        if run is not None:
            setattr(param, _MARK, run)


def note_runs(params: Mapping[str, Tensor], shapes: Mapping[str, Any], mesh: DeviceMesh) -> None:
    """Note of parameters that have just been split which runs are where; every process calls it."""
    every = all_gather_object([param.numel() for param in params.values()])
    mark_runs(
        (param, Run(shapes[name], sizes, mesh))
        for (name, param), sizes in zip(params.items(), zip(*every, strict=True), strict=True)
    )


# ------------------------------------------------------------------------ states of modules


@contextmanager
def as_runs() -> Iterator[None]:
    """Let a state hold the very tensors that are here, rather than those of a checkpoint."""
    token = _RAW.set(True)
    try:
        yield
    finally:
        _RAW.reset(token)


def keep_state(module: nn.Module, whole: bool = False) -> None:
    """Let a module's state be that of the same module unsplit: names, shapes, tied weights.

    Parameters
    ----------
    module : nn.Module
        Has parameters that are runs, here or in FSDP1's wrappers within, whose own way with
        states ends.
    whole : bool
        Whether its tensors are whole rather than split by rows.
    """
    for part in module.modules():
        if is_fully_sharded(part):
            for hooks in (
                part._state_dict_pre_hooks, part._state_dict_hooks,
                part._load_state_dict_pre_hooks, part._load_state_dict_post_hooks,
            ):  # fmt: skip
                hooks.clear()
    untyped: Any = module  # as torch leaves what follows
    untyped.register_state_dict_post_hook(_given_whole if whole else _given)
    untyped.register_load_state_dict_pre_hook(_taken)


def states_whole(module: nn.Module) -> bool:
    """Tell whether `keep_state` was asked for whole tensors of a module."""
    return _given_whole in module._state_dict_hooks.values()


def _given_whole(module: nn.Module, state: dict[str, Any], prefix: str, versions: Any) -> None:
    _given(module, state, prefix, versions, whole=True)


@torch.no_grad()
def _given(
    module: nn.Module, state: dict[str, Any], prefix: str, versions: Any, whole: bool = False
) -> None:
    """Give what is in a state its plain name, and the parameter that it is a run of."""
    _rename(state, prefix)
    if hasattr(state, "_metadata"):
        _rename(state._metadata, prefix)
    if _RAW.get() or is_fully_sharded(module):  # what it wraps does the rest
        return
    made: dict[int, Tensor] = {}
    for name, param in _params(module, prefix):
        run, value = run_of(param), state.get(name)
        if run is None or value is None or is_dtensor(value):
            continue
        if id(param) not in made:
            made[id(param)] = run.whole(value) if whole else run.by_rows(value)
        state[name] = made[id(param)]


def _params(module: nn.Module, prefix: str) -> list[tuple[str, Tensor]]:
    """Return parameters under each name that a state has them by."""
    named = module.named_parameters(prefix.rstrip("."), remove_duplicate=False)
    return [(name.replace(_INSIDE, ""), param) for name, param in named]


def _rename(named: dict[str, Any], prefix: str) -> None:
    """Take FSDP1's wrappers out of names, in order."""
    if not any(_INSIDE in f"{name}." for name in named):
        return
    items = list(named.items())
    named.clear()
    for name, value in items:
        plain = f"{name}.".replace(_INSIDE, "")[:-1] if name.startswith(prefix) else name
        # a wrapper and what it wraps have one name: the latter's version counts
        named[plain] = value


@torch.no_grad()
def _taken(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Turn a state with plain names and whole or split tensors into what is held here."""
    within = [] if is_fully_sharded(module) else _params(module, prefix)
    for name, param in within:
        run, value = run_of(param), state.get(name)
        if run is not None and isinstance(value, Tensor) and value.shape == run.shape:
            state[name] = run.cut(value)
    versions: dict[str, Any] = getattr(state, "_metadata", {})
    for named in (state, versions):
        for path in _wrappers(module, prefix):
            for name in [name for name in named if _is_within(path, name)]:
                named[(path + _INSIDE + f"{name}."[len(path) :])[:-1]] = named.pop(name)


def _is_within(path: str, name: str) -> bool:
    return f"{name}.".startswith(path) and not f"{name}.".startswith(path + _INSIDE)


def _wrappers(module: nn.Module, path: str) -> Iterator[str]:
    """Yield where FSDP1's wrappers are, outer ones first."""
    if is_fully_sharded(module):
        yield path
    for name, child in module._modules.items():
        if child is not None:
            yield from _wrappers(child, f"{path}{name}.")
