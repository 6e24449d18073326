"""Mixed precision by torch.amp, on any device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from engine_optim.errors import OptimError
from engine_optim.wrappers.mesh_scaler import MeshScaler
from engine_optim.wrappers.optim_wrapper import OptimWrapper
from engine_registry import OPTIM_WRAPPERS

__all__ = ["AmpOptimWrapper"]


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(OptimWrapper):
    """`OptimWrapper` whose forward pass runs in mixed precision.

    Parameters
    ----------
    loss_scale
        ``"dynamic"``, a fixed number, or a dict of `torch.amp.GradScaler`'s arguments. It is
        for float16 alone: bfloat16 has float32's range and needs no scaling.
    dtype
        ``"float16"``, ``"bfloat16"``, ``"float32"`` or ``"float64"``, or the torch type itself;
        None takes the device's own choice.
    use_fsdp
        Whether FSDP1 shards the gradients, so that all ranks must agree on an overflow.
    cache_enabled
        Whether autocast keeps the weights that it casts within a forward pass.
    **kwargs
        Arguments of `OptimWrapper`. An overflow is how a dynamic scale finds its size, so there
        ``non_finite="raise"`` ends the run only after ``max_in_row`` of them, as ``"skip"`` does.

    Examples
    --------
    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> wrapper = AmpOptimWrapper(optimizer=optimizer, dtype="bfloat16")
    >>> with wrapper.optim_context(model):
    ...     loss = model(torch.ones(3, 2)).mean()
    >>> loss.dtype
    torch.bfloat16
    >>> wrapper.update_params(loss)
    """

    valid_dtypes: ClassVar[tuple[str, ...]] = ("float16", "bfloat16", "float32", "float64")

    def __init__(
        self,
        loss_scale: str | float | Mapping[str, Any] = "dynamic",
        dtype: str | torch.dtype | None = None,
        use_fsdp: bool = False,
        *,
        cache_enabled: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cache_enabled = cache_enabled
        device = self._device_type()
        self.cast_dtype = _dtype_of(dtype, self.valid_dtypes)
        if self.cast_dtype not in (None, torch.float16, torch.bfloat16, torch.float32):
            raise OptimError(
                f"dtype {dtype!r}: autocast has no such precision, so that the model would train in "
                "its own, unsaid; it takes 'float16', 'bfloat16' and, for none, 'float32'. To train "
                "in float64 make the model so: model.double()"
            )
        self._casts = self.cast_dtype != torch.float32  # which would be no other than the model's
        effective = self.cast_dtype or torch.get_autocast_dtype(device)
        settings = _scaler_settings(loss_scale)
        enabled = effective == torch.float16 and settings.pop("enabled", True)
        kind: type[GradScaler] = MeshScaler
        if use_fsdp:
            from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler

            kind = ShardedGradScaler
        self.loss_scaler = kind(device=device, enabled=enabled, **settings)
        self._fixed_scale = float(loss_scale) if isinstance(loss_scale, int | float) else None
        if enabled and self._fixed_scale is None and self.guard is not None:
            self.guard.policy = "skip"

    def _device_type(self) -> str:
        for group in self.optimizer.param_groups:
            for param in group["params"]:
                return str(param.device.type)
        return "cpu"

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Run the forward pass in it, for mixed precision and `OptimWrapper`'s reasons."""
        autocast = torch.autocast(
            self._device_type(),
            dtype=self.cast_dtype if self._casts else None,
            cache_enabled=self.cache_enabled,
            enabled=self._casts,
        )
        with super().optim_context(model), autocast:
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Compute gradients of the scaled loss."""
        super().backward(self.loss_scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Undo the scaling, finish the gradients, make the step and adapt the scale."""
        scaler = self.loss_scaler
        if not scaler.is_enabled():
            super().step(**kwargs)
            return
        if self.items.pending or self.clip or self.guard:
            scaler.unscale_(self.optimizer)
        if self.prepare_grads():
            scaler.step(self.optimizer, **kwargs)
        scaler.update(self._fixed_scale)
        if self.on_scalar is not None:
            self.report("loss_scale", _scale_tensor(scaler))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the optimizer and, as ``loss_scaler``, of the scaler."""
        state = super().state_dict()
        state["loss_scaler"] = self.loss_scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; one of a run without scaling leaves the scaler as it is."""
        state = dict(state_dict)
        scaler = state.pop("loss_scaler", None)
        super().load_state_dict(state)
        if scaler and self.loss_scaler.is_enabled():
            self.loss_scaler.load_state_dict(scaler)


def _scaler_settings(loss_scale: str | float | Mapping[str, Any]) -> dict[str, Any]:
    if loss_scale == "dynamic":
        return {}
    if isinstance(loss_scale, Mapping):
        return dict(loss_scale)
    if isinstance(loss_scale, int | float) and not isinstance(loss_scale, bool):
        return {"init_scale": float(loss_scale)}
    raise TypeError(
        f"loss_scale must be 'dynamic', a number or a dict of GradScaler's arguments, "
        f"got {loss_scale!r}"
    )


def _dtype_of(dtype: str | torch.dtype | None, valid: tuple[str, ...]) -> torch.dtype | None:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in valid:
        raise OptimError(f"dtype must be one of {valid} or a torch.dtype, got {dtype!r}")
    found: torch.dtype = getattr(torch, dtype)
    return found


def _scale_tensor(scaler: GradScaler) -> Tensor | float:
    """Return the scale without waiting for the device, where the scaler has it there."""
    scale: Tensor | None = getattr(scaler, "_scale", None)
    return scaler.get_scale() if scale is None else scale.clone()
