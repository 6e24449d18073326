"""Batch norm over the batches of all processes, and the way there and back."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import FunctionCtx
from torch.nn.modules.batchnorm import _BatchNorm

from engine_dist.data_parallel import data_parallel

__all__ = ["SyncBatchNorm", "convert_sync_batchnorm", "revert_sync_batchnorm"]

_SETTINGS = ("eps", "momentum", "affine", "track_running_stats")


class SyncBatchNorm(nn.SyncBatchNorm):
    """torch's ``SyncBatchNorm``, which has no form of its own for the CPU, there too.

    Parameters as in ``torch.nn.SyncBatchNorm``.
    """

    def forward(self, input: Tensor) -> Tensor:  # torch's name
        """Normalise by the statistics of all processes' batches; in evaluation by the running ones."""
        alone = not (distributed.is_available() and distributed.is_initialized())
        if input.device.type != "cpu" or alone or not self._uses_batch():
            return super().forward(input)
        self._check_input_dim(input)
        return self._normalised(input)

    def _uses_batch(self) -> bool:
        return self.training or self.running_mean is None

    def _normalised(self, input: Tensor) -> Tensor:
        channels = input.shape[1]
        across = [d for d in range(input.ndim) if d != 1]
        shape = [1, channels, *[1] * (input.ndim - 2)]
        wide = input if input.dtype == torch.float64 else input.float()
        number = wide.new_tensor([input.numel() / channels])
        total = _summed(torch.cat([wide.sum(across), number]), self.process_group)
        count = total[-1:].detach()
        if count < 2:
            raise ValueError(
                f"batch norm needs more than 1 value a channel in training, got {tuple(input.shape)}"
            )
        mean = total[:-1] / count
        centred = wide - mean.view(shape)
        variance = _summed(centred.square().sum(across), self.process_group) / count
        self._follow(mean.detach(), variance.detach(), count)
        out = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Update the running statistics, as batch norm does, by the unbiased variance."""
        if self.running_mean is None or self.running_var is None:
            return
        factor: Any = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if factor is None:  # the mean over all batches
                factor = 1.0 / self.num_batches_tracked.float()
        unbiased = variance * (count / (count - 1))
        self.running_mean.mul_(1 - factor).add_(mean * factor)
        self.running_var.mul_(1 - factor).add_(unbiased * factor)


class _Sum(torch.autograd.Function):
    """The sum over processes, and of its gradients."""

    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor, group: Any) -> Tensor:
        ctx.group = group  # type: ignore[attr-defined]  # torch keeps what a function needs so
        total = value.clone()
        distributed.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        total = grad.contiguous().clone()
        distributed.all_reduce(total, group=ctx.group)  # type: ignore[attr-defined]  # as above
        return total, None


def _summed(value: Tensor, group: Any) -> Tensor:
    total: Tensor = _Sum.apply(value, group)  # type: ignore[no-untyped-call]  # torch's
    return total


class _BatchNormXd(_BatchNorm):
    """Batch norm of inputs with any number of dimensions."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


def convert_sync_batchnorm(
    module: nn.Module, implementation: Literal["torch", "mmcv"] = "torch"
) -> nn.Module:
    """Replace every batch norm in a module, in place, by one over the batches of all processes.

    Parameters
    ----------
    module : nn.Module
        The module; returned, unless it is a batch norm itself.
    implementation : {"torch", "mmcv"}
        Whose layer it becomes: torch's, or ``mmcv.ops.SyncBatchNorm``.

    Raises
    ------
    ValueError
        For another implementation.
    ImportError
        If mmcv is asked for and not installed.
    """
    if implementation not in ("torch", "mmcv"):
        raise ValueError(f"sync_bn is 'torch' or 'mmcv', got {implementation!r}")
    kind = SyncBatchNorm if implementation == "torch" else _of_mmcv()
    return _replaced(module, lambda m: isinstance(m, _BatchNorm) and not _is_synced(m), kind)


def revert_sync_batchnorm(module: nn.Module) -> nn.Module:
    """Replace every synchronised batch norm in a module, in place, by one of this process alone.

    The module is returned, unless it is such a layer itself.
    """
    return _replaced(module, _is_synced, _BatchNormXd)


def _of_mmcv() -> Callable[..., nn.Module]:
    try:
        layer: Callable[..., nn.Module] = import_module("mmcv.ops").SyncBatchNorm
    except ImportError as error:
        raise ImportError(
            "sync_bn='mmcv' takes mmcv.ops.SyncBatchNorm, and mmcv is not installed with its ops; "
            "sync_bn='torch' needs nothing"
        ) from error
    return layer


def _is_synced(module: nn.Module) -> bool:
    return any(kind.__name__ == "SyncBatchNorm" for kind in type(module).__mro__)


def _replaced(
    module: nn.Module, which: Callable[[nn.Module], bool], kind: Callable[..., nn.Module]
) -> nn.Module:
    if which(module):
        return _as(module, kind)
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, which, kind))
    return module


def _as(module: nn.Module, kind: Any) -> nn.Module:
    """Return a layer of a kind with another's settings, and its very parameters and buffers."""
    settings = {name: getattr(module, name) for name in _SETTINGS}
    shared = data_parallel()
    if shared.copies > 1 and issubclass(kind, nn.SyncBatchNorm):
        # a batch counts once, whoever computes it together
        settings["process_group"] = shared.group
    made: nn.Module = kind(module.num_features, **settings)
    made._parameters = module._parameters
    made._buffers = module._buffers
    return made.train(module.training)
