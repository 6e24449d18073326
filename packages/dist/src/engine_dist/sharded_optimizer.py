"""Optimizer states shared out over the processes (ZeRO, stage 1), by torch's own class."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import distributed
from torch.optim import Optimizer

__all__ = ["ShardedOptimizer", "shard_states"]

_PACKAGE = "torch.distributed.optim"


class _Functional(Mapping[Any, Any]):
    """torch's table of functional optimizers, imported when one is asked for.

    They are compiled by TorchScript as soon as they are imported, which newer releases of
    Python and torch refuse, and serve ``overlap_with_ddp`` alone.
    """

    def __getitem__(self, kind: Any) -> Any:
        return import_module(f"{_PACKAGE}.utils").functional_optim_map[kind]

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _torch_class() -> type | None:
    """Return torch's class without its package's imports; None where torch has none."""
    if not distributed.is_available() or find_spec("torch.distributed") is None:
        return None
    with _hollow_package():
        try:
            module = import_module(f"{_PACKAGE}.zero_redundancy_optimizer")
        except (ImportError, AttributeError):
            return None
    found: type | None = getattr(module, "ZeroRedundancyOptimizer", None)
    return found


@contextmanager
def _hollow_package() -> Iterator[None]:
    """Stand in for the package while one module of it is imported, unless it is there already."""
    if _PACKAGE in sys.modules:
        yield
        return
    package, utils = ModuleType(_PACKAGE), ModuleType(f"{_PACKAGE}.utils")
    package.__path__ = [f"{path}/optim" for path in distributed.__path__]
    utils.functional_optim_map = _Functional()  # type: ignore[attr-defined]  # a stand-in
    sys.modules |= {_PACKAGE: package, f"{_PACKAGE}.utils": utils}
    try:
        yield
    finally:
        del sys.modules[_PACKAGE], sys.modules[f"{_PACKAGE}.utils"]


_TORCH: Any = _torch_class()
_BASE: Any = Optimizer if _TORCH is None else _TORCH


class ShardedOptimizer(_BASE):  # type: ignore[misc]  # torch leaves it untyped
    """Each process keeps the state of a share of the parameters, and sends what it updated.

    Its state is that of the optimizer that updates a share, over all parameters: either takes up
    the other's.

    Parameters
    ----------
    params
        Parameters or groups.
    kind : type
        The optimizer that updates a share.
    **kwargs
        Its arguments, and ``process_group`` and ``parameters_as_bucket_view`` of
        ``torch.distributed.optim.ZeroRedundancyOptimizer``.

    Raises
    ------
    ImportError
        If this build of torch has no such class.
    RuntimeError
        Without a process group.
    """

    def __init__(self, params: Any, kind: type[Optimizer], **kwargs: Any) -> None:
        if _TORCH is None:
            raise ImportError(
                f"torch {torch.__version__} has no torch.distributed.optim."
                "ZeroRedundancyOptimizer; FSDP shards optimizer states too"
            )
        if not distributed.is_initialized():
            raise RuntimeError(
                "ZeroRedundancyOptimizer shares states out over ranks, but there is no process "
                f"group: start one, or use {kind.__name__!r} itself"
            )
        super().__init__(params, kind, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        """Gather and return the whole state on rank 0, on others the groups; all must call it."""
        self.consolidate_state_dict()
        if distributed.get_rank(self.process_group) != 0:
            return {**Optimizer.state_dict(self), "state": {}}
        state: dict[str, Any] = super().state_dict()
        self._all_state_dicts.clear()  # torch would keep all of it to the next time
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over this process' share of a whole state, which stays as it is.

        torch's own way clears the state that it is given, keeps a second copy of the share, and
        has counts of steps where a fused optimizer on a device cannot use them.
        """
        groups = state_dict["param_groups"]
        keys = [key for group in groups for key in group["params"]]
        params = [param for group in self.param_groups for param in group["params"]]
        key_of = {id(param): key for param, key in zip(params, keys, strict=True)}
        share: dict[str, Any] = {"state": {}, "param_groups": []}
        for own, saved in zip(self.optim.param_groups, groups, strict=True):
            held = [key_of[id(param)] for param in own["params"]]
            share["param_groups"].append({**saved, "params": held})
            share["state"] |= {k: state_dict["state"][k] for k in held if k in state_dict["state"]}
        self.optim.load_state_dict(share)
        for group, own in zip(self.param_groups, self.optim.param_groups, strict=True):
            group.update({name: value for name, value in own.items() if name != "params"})


def shard_states(optimizer: Optimizer) -> ShardedOptimizer:
    """Return an optimizer that does what another does, and shares its states out.

    Parameters
    ----------
    optimizer : Optimizer
        Of which the groups, the settings and what it has gathered are taken.

    Raises
    ------
    TypeError
        If its class cannot be built again from what it holds.
    """
    kind = type(optimizer)
    parameters = inspect.signature(kind).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    settings = {
        name: value
        for name, value in optimizer.defaults.items()
        if takes_any or name in parameters
    }
    needed = [
        p.name
        for p in list(parameters.values())[1:]
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    missing = [name for name in needed if name not in settings]
    if missing:
        raise TypeError(
            f"{kind.__name__} cannot be shared out over processes: it is built with "
            f"{', '.join(missing)}, which it does not hold among its settings "
            f"({', '.join(optimizer.defaults)}); use DDPStrategy, or another optimizer"
        )
    groups = [dict(group) for group in optimizer.param_groups]
    sharded = ShardedOptimizer(groups, kind, **settings)
    if optimizer.state:
        sharded.load_state_dict(optimizer.state_dict())
    return sharded
