"""Optimizer states shared out over the ranks (ZeRO, stage 1), by torch's own class."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import distributed

from engine_optim.errors import OptimError
from engine_registry import OPTIMIZERS

__all__ = ["ZeroRedundancyOptimizer"]

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
_BASE: Any = torch.optim.Optimizer if _TORCH is None else _TORCH


@OPTIMIZERS.register_module()
class ZeroRedundancyOptimizer(_BASE):  # type: ignore[misc]  # torch leaves it untyped
    """Each rank keeps the state of a share of the parameters, and sends what it updated.

    Parameters
    ----------
    params
        Parameters or groups.
    optimizer_type : str
        Name of the optimizer that updates a share, such as ``"AdamW"``.
    **kwargs
        Its arguments, and ``process_group`` and ``parameters_as_bucket_view`` of
        ``torch.distributed.optim.ZeroRedundancyOptimizer``.

    Raises
    ------
    OptimError
        If no optimizer has that name.
    ImportError
        If this build of torch has no such class.
    RuntimeError
        Without a process group.
    """

    def __init__(self, params: Any, optimizer_type: str, **kwargs: Any) -> None:
        if _TORCH is None:
            raise ImportError(
                f"torch {torch.__version__} has no torch.distributed.optim."
                "ZeroRedundancyOptimizer; FSDP shards optimizer states too"
            )
        kind = OPTIMIZERS.get(optimizer_type)
        if kind is None or optimizer_type == type(self).__name__:
            raise OptimError(
                f"optimizer_type={optimizer_type!r} is no optimizer; it is one of "
                f"{sorted(set(OPTIMIZERS.module_dict) - {type(self).__name__})}"
            )
        if not distributed.is_initialized():
            raise RuntimeError(
                "ZeroRedundancyOptimizer shares states out over ranks, but there is no process "
                f"group: start one, or use {optimizer_type!r} itself"
            )
        super().__init__(params, kind, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        """Gather and return the whole state on rank 0, on others the groups; all must call it."""
        self.consolidate_state_dict()
        if distributed.get_rank(self.process_group) == 0:
            state: dict[str, Any] = super().state_dict()
            return state
        return {**torch.optim.Optimizer.state_dict(self), "state": {}}
