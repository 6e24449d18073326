"""Parameters, gradients and the optimizer's state split over the processes, by FSDP1."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from engine_dist.flat_optimizers import keep_optimizer_state
from engine_dist.late import instance_of
from engine_dist.strategies.activation import Checkpointed
from engine_dist.strategies.first_weights import require_job, set_first_weights
from engine_dist.strategies.fsdp1_settings import (
    alone_in_fsdp1,
    flat_settings_of,
    items_of,
    whole_states_of,
)
from engine_dist.strategies.fsdp_settings import recomputed_of
from engine_dist.strategies.precision import AsIs, Mixed
from engine_dist.strategies.strategy import Prepared
from engine_dist.strategies.surface import BaseStrategy
from engine_dist.strategies.wrapping import FlatSharded
from engine_registry import STRATEGIES

__all__ = ["FSDP1Strategy", "GoesToFSDP1"]

logger = logging.getLogger("engine.dist")
O = TypeVar("O")  # noqa: E741  # the optimizer, whatever the caller makes
_OF_ROLE = ("param_dtype", "reduce_dtype", "cast_forward_inputs")


@STRATEGIES.register_module()
class FSDP1Strategy(BaseStrategy):
    """Split parameters, gradients and the optimizer's state by ``FullyShardedDataParallel``.

    It is for configurations that ask for what torch's first way of sharding alone has;
    `FSDPStrategy` does the rest better, and has no need of a whole state on each process to load
    one. A checkpoint is that of any other strategy.

    Parameters
    ----------
    model_wrapper : Mapping, optional
        Settings of `MMFullyShardedDataParallel`. ``sharding_strategy`` is ``FULL_SHARD``,
        ``SHARD_GRAD_OP`` or ``NO_SHARD``; ``auto_wrap_policy`` chooses what is gathered one by one.
    skip_init_weights : bool
        Do not call the model's ``init_weights`` before training.
    state_dict_cfg : str or Mapping
        Whether `model_state_dict` gives each process tensors that are ``"sharded"`` by rows, or
        ``"full"`` ones; or MMEngine's dict, of which ``state_dict_type`` counts. A checkpoint comes
        out the same.
    activation_checkpointing : Mapping, optional
        As `FSDPStrategy` has it.
    wrap : Mapping or Choice, optional
        As `FSDPStrategy` has it, in place of an ``auto_wrap_policy``.
    mixed_precision : Mapping, optional
        Arguments of FSDP1's ``MixedPrecision``, types by name.
    cpu_offload : bool
        Refused: with FSDP1 it needs an accelerator, with `FSDPStrategy` it does not.
    device : str or torch.device, optional
        Where the model goes; by default this process' accelerator, or the CPU.
    **run
        What `BaseStrategy` takes of a run, ``work_dir`` and the like.

    Raises
    ------
    CapabilityError
        If FSDP1 cannot do what is asked for, or not rightly; it is said what can.
    ValueError
        If a setting is none of those that it can be.
    """

    def __init__(
        self,
        *,
        model_wrapper: Mapping[str, Any] | None = None,
        skip_init_weights: bool = False,
        state_dict_cfg: str | Mapping[str, Any] = "sharded",
        activation_checkpointing: Mapping[str, Any] | None = None,
        wrap: Any = None,
        mixed_precision: Mapping[str, Any] | None = None,
        cpu_offload: bool = False,
        device: str | torch.device | None = None,
        **run: Any,
    ) -> None:
        given = {"mixed_precision": mixed_precision, "cpu_offload": cpu_offload or None}
        wrapper = {**(model_wrapper or {}), **{k: v for k, v in given.items() if v is not None}}
        sharding, choice, settings = flat_settings_of(wrapper, wrap)
        precision = items_of(settings.get("mixed_precision"))
        checkpointed = activation_checkpointing
        super().__init__(
            device,
            wrapping=FlatSharded(choice, sharding, settings, whole_states_of(state_dict_cfg)),
            precision=Mixed(**{name: precision[name] for name in _OF_ROLE if name in precision})
            if precision
            else AsIs(),
            activation=() if checkpointed is None else [Checkpointed(recomputed_of(checkpointed))],
            **run,
        )
        self.skip_init_weights = skip_init_weights

    def _prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]:
        """Split a model, then let ``make_optimizer`` see what is left of it here.

        A model that is to be trained sets its first weights before, as it can only while whole.

        Raises
        ------
        RuntimeError
            If the process has joined no others.
        """
        require_job("FSDP1Strategy")
        new = model is not self._in_place and make_optimizer is not None
        if new and not self.skip_init_weights:
            set_first_weights(model)
        prepared = super()._prepare(model, make_optimizer)
        _follow(prepared.optimizer)
        return prepared

    def initialise(self, model: nn.Module) -> None:
        """Leave a prepared model as it is: it has its first weights."""


def _follow(made: Any) -> None:
    """Let an optimizer, what holds one, or several such, keep the states of unsplit parameters."""
    several = getattr(made, "optim_wrappers", None)
    if several is not None:
        for one in several.values():
            _follow(one)
        return
    optimizer = getattr(made, "optimizer", made)
    if isinstance(optimizer, Optimizer):
        keep_optimizer_state(optimizer)
    scaler = getattr(made, "loss_scaler", None)
    if isinstance(scaler, GradScaler) and scaler.is_enabled() and not _agrees(scaler):
        made.loss_scaler = _agreeing(scaler)


def _agrees(scaler: GradScaler) -> bool:
    return instance_of(scaler, "torch.distributed.fsdp.sharded_grad_scaler", "ShardedGradScaler")


def _agreeing(scaler: GradScaler) -> GradScaler:
    """Return a scaler that is as another, and finds an overflow of any process on all."""
    from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler

    return ShardedGradScaler(
        device=scaler._device, init_scale=scaler.get_scale(),
        growth_factor=scaler.get_growth_factor(), backoff_factor=scaler.get_backoff_factor(),
        growth_interval=scaler.get_growth_interval(),
    )  # fmt: skip


class GoesToFSDP1(BaseStrategy):
    """A strategy of FSDP2 whose class, where it is asked for what FSDP1 alone has, makes one of that."""

    def __new__(cls, *_: Any, **settings: Any) -> Any:
        """Return a `FSDP1Strategy`, or what is to be set up."""
        alone = alone_in_fsdp1(settings) if GoesToFSDP1 in cls.__bases__ else []
        if (
            not alone
        ):  # of a subclass, whose own ways would be lost, it is said that it is without effect
            return super().__new__(cls)
        logger.warning(
            "%s: FSDP1 alone has %s of model_wrapper: trained by FSDP1Strategy. Leave it out to "
            "train by FSDP2", cls.__name__, ", ".join(alone),
        )  # fmt: skip
        form = settings.pop("state_dict_cfg", "sharded")
        return FSDP1Strategy(**settings, state_dict_cfg=_not_local(form))


def _not_local(form: Any) -> Any:
    kind = form.get("state_dict_type") if isinstance(form, Mapping) else form
    return "sharded" if "local" in str(kind).lower() else form
