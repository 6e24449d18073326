"""torch's first way of sharding (FSDP1), with the steps that the loops call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import (
    BackwardPrefetch,
    CPUOffload,
    FullyShardedDataParallel,
    MixedPrecision,
    ShardingStrategy,
)
from torch.distributed.fsdp.wrap import (
    ModuleWrapPolicy,
    always_wrap_policy,
    lambda_auto_wrap_policy,
    size_based_auto_wrap_policy,
    transformer_auto_wrap_policy,
)

from engine_dist.named_functions import function_of
from engine_dist.protocols import OptimizerUpdater
from engine_dist.wrappers import steps
from engine_registry import MODEL_WRAPPERS

__all__ = ["MMFullyShardedDataParallel"]

_POLICIES = {
    policy.__name__: policy
    for policy in (
        ModuleWrapPolicy, always_wrap_policy, lambda_auto_wrap_policy, size_based_auto_wrap_policy,
        transformer_auto_wrap_policy,
    )
}  # fmt: skip


@MODEL_WRAPPERS.register_module(force=True)
class MMFullyShardedDataParallel(FullyShardedDataParallel):
    """``FullyShardedDataParallel`` (FSDP1) with the steps that the loops call.

    A configuration may name what torch's class takes as objects. Names of modules and parameters
    are those of the model, without the wrapper's.

    Parameters
    ----------
    module : nn.Module
        The model, or a part of it.
    process_group : ProcessGroup, optional
        The processes it is split over; by default all.
    sharding_strategy : str or ShardingStrategy, optional
        ``FULL_SHARD`` (the default), ``SHARD_GRAD_OP``, ``NO_SHARD``, ``HYBRID_SHARD``, …
    cpu_offload : bool, Mapping or CPUOffload, optional
        Whether parameters are kept on the host.
    auto_wrap_policy : callable, str or Mapping, optional
        Which parts are gathered one by one: torch's policy, its name in ``FUNCTIONS``, or a dict of
        ``type`` and its arguments.
    backward_prefetch : str or BackwardPrefetch, optional
        ``BACKWARD_PRE`` or ``BACKWARD_POST``.
    mixed_precision : Mapping or MixedPrecision, optional
        Its arguments; types may be given by name.
    param_init_fn : callable, str or Mapping, optional
        Gives values to the parameters of a module on the meta device.
    use_orig_params : bool
        Whether parameters stay those of the model to an optimizer.
    **kwargs
        More arguments of torch's class. ``device_id`` is by default where the module is.

    Raises
    ------
    ValueError
        If a setting is none of those that it can be.
    """

    def __init__(
        self,
        module: nn.Module,
        process_group: Any = None,
        sharding_strategy: str | ShardingStrategy | None = None,
        cpu_offload: bool | Mapping[str, Any] | CPUOffload | None = None,
        auto_wrap_policy: str | Callable[..., Any] | Mapping[str, Any] | None = None,
        backward_prefetch: str | BackwardPrefetch | None = None,
        mixed_precision: Mapping[str, Any] | MixedPrecision | None = None,
        param_init_fn: str | Callable[[nn.Module], None] | Mapping[str, Any] | None = None,
        use_orig_params: bool = True,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("device_id") is None:
            kwargs["device_id"] = _device_of(module)
        if backward_prefetch is not None:
            kwargs["backward_prefetch"] = _member(
                "backward_prefetch", BackwardPrefetch, backward_prefetch
            )
        super().__init__(
            module,
            process_group,
            _member("sharding_strategy", ShardingStrategy, sharding_strategy),
            _offload_of(cpu_offload),
            _policy_of(auto_wrap_policy),
            mixed_precision=_precision_of(mixed_precision),
            param_init_fn=None
            if param_init_fn is None
            else function_of("param_init_fn", param_init_fn),
            use_orig_params=use_orig_params,
            **kwargs,
        )

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """Yield itself and, under names without its own, the modules within."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        yield from self.module.named_modules(memo, prefix, remove_duplicate)

    def train_step(self, data: Any, optim_wrapper: OptimizerUpdater) -> Mapping[str, Tensor]:
        """Run one training step, gradients averaged over the processes."""
        return steps.train_step(self, self.module, data, optim_wrapper)

    def val_step(self, data: Any) -> Any:
        """Return the predictions for one batch; every process has one, or all wait."""
        return steps.forward_batch(self, steps.preprocess(self.module, data, False), "predict")

    def test_step(self, data: Any) -> Any:
        """Return the predictions for one batch; every process has one, or all wait."""
        return self.val_step(data)


def _device_of(module: nn.Module) -> torch.device | None:
    """Return where a module is; of one on the meta device that is not known."""
    first = next(module.parameters(), None)
    return None if first is None or first.is_meta else first.device


def _member(name: str, kind: Any, value: Any) -> Any:
    """Return a member of an enumeration from one, or from its name."""
    if value is None or isinstance(value, kind):
        return value
    if value not in kind.__members__:
        raise ValueError(f"{name} is one of {', '.join(kind.__members__)}, got {value!r}")
    return kind[value]


def _offload_of(value: Any) -> CPUOffload | None:
    if value is None or isinstance(value, CPUOffload):
        return value
    settings = (
        {k: v for k, v in value.items() if k != "type"} if isinstance(value, Mapping) else {}
    )
    return CPUOffload(**settings) if isinstance(value, Mapping) else CPUOffload(bool(value))


def _precision_of(value: Any) -> MixedPrecision | None:
    if value is None or isinstance(value, MixedPrecision):
        return value
    settings = {name: item for name, item in value.items() if name != "type"}
    for name in ("param_dtype", "reduce_dtype", "buffer_dtype"):
        given = settings.get(name)
        if isinstance(given, str):
            settings[name] = getattr(torch, given.split(".")[-1], None)
        if not (given is None or isinstance(settings[name], torch.dtype)):
            raise ValueError(f"mixed_precision.{name} is a type such as 'bfloat16', got {given!r}")
    return MixedPrecision(**settings)


def _policy_of(value: Any) -> Any:
    return None if value is None else function_of("auto_wrap_policy", value, _POLICIES)
