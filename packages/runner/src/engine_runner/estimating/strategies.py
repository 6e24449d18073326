"""The strategy of a plan: the configuration's, with what the plan changes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine_dist.estimation import EstimationError
from engine_dist.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    SingleDeviceStrategy,
    Strategy,
    TensorParallelStrategy,
    ZeRO1Strategy,
)
from engine_dist.strategies.activation import Checkpointed
from engine_dist.strategies.choosing import Choice
from engine_runner.assembly.strategies import as_strategy, strategy_of_launcher
from engine_runner.estimating.plan import STRATEGIES, Plan

__all__ = ["strategy_for"]

Settings = dict[str, Any]
_KNOWN = (
    SingleDeviceStrategy, DDPStrategy, ZeRO1Strategy, FSDPStrategy, TensorParallelStrategy,
    DeepSpeedStrategy,
)  # fmt: skip


def strategy_for(plan: Plan, cfg: Mapping[str, Any], block: str | None) -> Strategy:
    """Return a new strategy for a plan.

    Parameters
    ----------
    plan : Plan
        The plan.
    cfg : Mapping
        The configuration, of which the strategy counts where the plan names none, or the same.
    block : str, optional
        The class of modules that FSDP gathers one by one, where the configuration does not say.

    Raises
    ------
    EstimationError
        If it is none that can be estimated, or not with that many processes.
    """
    settings = _settings(plan, cfg, block)
    if settings is None:
        made = strategy_of_launcher("none" if plan.world_size == 1 else "pytorch", cfg)
    else:
        made = as_strategy(settings, "pytorch")
    if type(made) not in _KNOWN:
        raise EstimationError(
            f"{type(made).__name__} cannot be estimated; what can be is --strategy "
            f"{', '.join(STRATEGIES)}"
        )
    if isinstance(made, SingleDeviceStrategy) and plan.world_size > 1:
        raise EstimationError(
            f"SingleDeviceStrategy trains on one device, and --world-size is {plan.world_size}: "
            "name another by --strategy, such as ddp or fsdp"
        )
    if plan.recompute is not None:
        made.activation = (*made.activation, Checkpointed(Choice(classes=(plan.recompute,))))
    return made


def _settings(plan: Plan, cfg: Mapping[str, Any], block: str | None) -> Settings | None:
    """Return the configuration of the plan's strategy; None for what a launcher has by default."""
    given = cfg.get("strategy")
    own: Settings = dict(given.items()) if isinstance(given, Mapping) else {}
    named = _name(own.get("type"))
    kind = named if plan.strategy is None else STRATEGIES[plan.strategy]
    if kind is None and plan.tensor_parallel is not None:
        kind = "TensorParallelStrategy"
    if kind is None:
        return None
    how = own.get("tensor_parallel") or {}
    layers = own.get("plan", how.get("plan") if isinstance(how, Mapping) else None)
    settings = {**(own if kind == named else {}), "type": own["type"] if kind == named else kind}
    if kind == "FSDPStrategy" and block is not None and "model_wrapper" not in settings:
        settings.setdefault("wrap", {"classes": [block]})
    if plan.tensor_parallel is not None:
        _split_layers(settings, kind, plan, layers)
    if plan.strategy is not None and kind == "DeepSpeedStrategy":
        section = dict(settings.get("zero_optimization") or {})
        settings["zero_optimization"] = {**section, "stage": int(plan.strategy[-1])}
    return _saving(settings, kind, plan)


def _name(kind: Any) -> str | None:
    return None if kind is None else str(getattr(kind, "__name__", kind)).rpartition(".")[2]


def _split_layers(settings: Settings, kind: str, plan: Plan, layers: Any) -> None:
    size = plan.tensor_parallel
    if kind == "TensorParallelStrategy":
        settings["size"] = size
        if layers is not None:
            settings["plan"] = layers
    elif kind == "FSDPStrategy":
        settings["tensor_parallel"] = {"size": size} | ({} if layers is None else {"plan": layers})
    else:
        raise EstimationError(
            f"{kind} does not split layers, which --tensor-parallel {size} asks for: use --strategy "
            "tp, or fsdp to divide what is left, too"
        )


def _saving(settings: Settings, kind: str, plan: Plan) -> Settings:
    """Return the settings with what a plan saves by the strategy."""
    if kind == "FSDPStrategy":
        if plan.offload:
            settings["cpu_offload"] = True
        if plan.bf16:
            mixed = dict(settings.get("mixed_precision") or {})
            settings["mixed_precision"] = {**mixed, "param_dtype": "bfloat16"}
    if kind == "DeepSpeedStrategy":
        if plan.offload:
            section = dict(settings.get("zero_optimization") or {})
            section["offload_optimizer"] = {"device": "cpu"}
            settings["zero_optimization"] = section
        if plan.bf16:
            settings["bf16"] = {"enabled": True}
    return settings
