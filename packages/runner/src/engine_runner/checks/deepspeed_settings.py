"""What a configuration asks of DeepSpeed's engine, by the strategy's settings or in a file of DeepSpeed's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine_dist.strategies.deepspeed_config import config_of, stage_of
from engine_registry import Fault
from engine_registry.faults import fault

__all__ = ["DRIVER", "asked_of_engine", "driver_fault", "stage_asked_for"]

#: the optimizer wrapper that leaves all to the engine
DRIVER = "DeepSpeedOptimWrapper"
_OTHERS = ("OptimWrapper", "AmpOptimWrapper", "ApexOptimWrapper")
_SECTIONS = (
    "zero_optimization", "gradient_accumulation_steps", "gradient_clipping", "fp16", "bf16",
)  # fmt: skip


def stage_asked_for(strategy: Mapping[str, Any]) -> int | None:
    """Return the stage of ZeRO; None where the settings are none, which building it says."""
    made = _made(strategy)
    try:
        return None if made is None else stage_of(made)
    except (AttributeError, TypeError, ValueError):
        return None


def asked_of_engine(strategy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield abilities that the engine is asked for, and by which key of its configuration."""
    made = _made(strategy)
    if made is None:
        return
    counts = made.get("gradient_accumulation_steps")
    if isinstance(counts, int) and counts > 1:
        yield "accumulation", "gradient_accumulation_steps"
    if made.get("gradient_clipping"):
        yield "clip_norm", "gradient_clipping"
    for half in ("fp16", "bf16"):
        if isinstance(made.get(half), Mapping) and made[half].get("enabled"):
            yield half, half
    zero = made.get("zero_optimization")
    if isinstance(zero, Mapping) and (zero.get("offload_optimizer") or zero.get("offload_param")):
        yield "offload", "zero_optimization"


def driver_fault(wrapper: Any) -> Fault | None:
    """Return why an optimizer wrapper does not go with the engine; None where it may."""
    if not isinstance(wrapper, Mapping):
        return None
    kind = wrapper.get("type")
    name = str(getattr(kind, "__name__", kind)).rpartition(".")[2]
    if name not in _OTHERS:
        return None
    return fault(
        wrapper, ("optim_wrapper",), "type",
        f"DeepSpeed's engine accumulates, clips and steps by itself, and {name} does so too: write "
        f"{DRIVER} and no more than its optimizer, and give DeepSpeedStrategy "
        "gradient_accumulation_steps (for accumulative_counts), gradient_clipping (for clip_grad), "
        "fp16 or bf16 (for dtype)",
    )  # fmt: skip


def _made(strategy: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the engine's configuration as far as it is looked at here; None where that fails."""
    given = {key: strategy[key] for key in _SECTIONS if key in strategy}
    try:
        return config_of(strategy.get("config"), given)
    except (AttributeError, TypeError, ValueError):
        return None
