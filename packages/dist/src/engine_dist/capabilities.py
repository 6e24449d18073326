"""What each strategy can do, and why not: one table for refusals, documentation and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "ABILITIES",
    "TABLE",
    "CapabilityError",
    "ability_of_optimizer",
    "nearest",
    "refusal",
    "require_optimizers",
]


class CapabilityError(ValueError):
    """A strategy was asked for what it cannot do."""


ABILITIES: Mapping[str, str] = {
    "accumulation": "accumulate the gradients of several losses",
    "clip_norm": "clip gradients by their norm",
    "clip_value": "clip gradients by value",
    "ema": "follow the average of the weights",
    "compile": "compile blocks of the model",
    "sync_batch_norm": "normalise over the batches of all processes",
    "find_unused": "train a model of which parts take no part in an iteration",
    "async_checkpoint": "save in the background",
    "reshard_on_load": "go on with another number of processes",
    "tensor_parallel": "split single layers over processes",
    "offload": "keep parameters and optimizer states on the host",
    "fp16": "train in float16 by autocast",
    "bf16": "train in bfloat16 by autocast",
    "adafactor": "train by Adafactor",
    "muon": "train by torch's Muon",
    "global_step_size": "train by an optimizer that estimates one step size for all parameters",
    "schedule_free": "train by an optimizer with weights of its own for evaluation (schedulefree)",
}

_ONE_DEVICE = "a strategy for one device has no place to put the rest"
_WHOLE = "each process holds the whole model on its device"
_NO_PLAN = "it has no plan of which layers to split"
_PLUGINS = "its plug-ins compute in it by themselves (plugin=dict(precision=…)), not by autocast"
_FLAT = "its plug-ins give the optimizer flat pieces of parameters, and this one looks at their "
_SHARES = (
    "each process would estimate it from its own share of the parameters, and another than all "
    "together: the weights come out different, and nothing says so"
)
_NO_SHAPE = "it goes by the shape of a parameter, of which each process has a run of numbers"
_SPLIT = "Adafactor cannot reckon with parameters that are split"
_PIECES = (
    "its steps are reckoned in bfloat16 and, of a split parameter, piece by piece: weights differ from "
    "those of one device by some 1e-3 after a few steps"
)


def _of_deepspeed(stage: int) -> dict[str, str]:
    """Return what DeepSpeed's engine cannot do at a stage of ZeRO."""
    lacks = {
        "clip_value": "its engine clips by the norm alone",
        "find_unused": (
            "of all parameters together, what took no part has a gradient of zeros rather than none, "
            "and is moved by decay and momentum nevertheless"
        ),
        "async_checkpoint": "its engine writes its folders itself, while training waits",
        "tensor_parallel": _NO_PLAN,
        "schedule_free": "its engine does not switch the optimizer between its modes",
    }
    if stage == 0:
        return {
            **lacks,
            "offload": "stage 0 splits nothing, and its engine offloads what it splits",
        }
    flat = "its engine cuts parameters into flat pieces, and it goes by their shape"
    return {**lacks, "adafactor": flat, "muon": flat, "global_step_size": _SHARES}


TABLE: Mapping[str, Mapping[str, str]] = {
    "SingleDeviceStrategy": {"tensor_parallel": _NO_PLAN, "offload": _ONE_DEVICE},
    "DDPStrategy": {"tensor_parallel": _NO_PLAN, "offload": _WHOLE},
    "ZeRO1Strategy": {
        "tensor_parallel": _NO_PLAN,
        "offload": _WHOLE,
        "global_step_size": _SHARES,
        "schedule_free": (
            "the share of a process has modes that the optimizer around it does not pass on"
        ),
    },
    "FSDPStrategy": {
        "adafactor": _SPLIT,
        "muon": _PIECES,
        "global_step_size": _SHARES,
    },
    "TensorParallelStrategy": {
        "offload": "each process holds its parts of the layers, and all else, on its device",
        "adafactor": _SPLIT,
        "muon": _PIECES,
        "global_step_size": _SHARES,
    },
    "FSDP1Strategy": {
        "find_unused": (
            "of a part that is gathered at once, what took no part has a gradient of zeros rather "
            "than none, and is moved by decay and momentum nevertheless"
        ),
        "tensor_parallel": _NO_PLAN,
        "offload": "beside a CPU it computes on what is not there any more",
        "adafactor": _NO_SHAPE,
        "muon": _NO_SHAPE,
        "global_step_size": _SHARES,
    },
    "ColossalAIStrategy": {
        "clip_value": "its plug-ins clip by norm alone",
        "tensor_parallel": _NO_PLAN,
        "fp16": _PLUGINS,
        "bf16": _PLUGINS,
        "adafactor": f"{_FLAT}rows and columns",
        "muon": f"{_FLAT}matrices",
        "global_step_size": _SHARES,
        "schedule_free": "the optimizer has modes that the plug-ins' own around it does not pass on",
    },
    **{f"DeepSpeedStrategy(stage={stage})": _of_deepspeed(stage) for stage in range(4)},
}
"""By strategy, what it cannot do; all else of `ABILITIES` it can."""

_WITH_LIBRARY = ("DeepSpeedStrategy", "ColossalAIStrategy")

_OPTIMIZERS: Mapping[str, tuple[str, ...]] = {
    "adafactor": ("Adafactor",),
    "muon": ("Muon",),
    "global_step_size": (
        "Prodigy", "DAdaptAdaGrad", "DAdaptAdam", "DAdaptAdan", "DAdaptLion", "DAdaptSGD",
    ),
    "schedule_free": (
        "AdamWScheduleFree", "AdamWScheduleFreeClosure", "AdamWScheduleFreePaper",
        "AdamWScheduleFreeReference", "RAdamScheduleFree", "RAdamScheduleFreeClosure",
        "SGDScheduleFree", "SGDScheduleFreeClosure", "SGDScheduleFreeReference",
    ),
}  # fmt: skip


def ability_of_optimizer(name: str) -> str | None:
    """Return which ability an optimizer of a name, perhaps with a path before, asks for."""
    last = name.rpartition(".")[2]
    return next((ability for ability, names in _OPTIMIZERS.items() if last in names), None)


def refusal(strategies: str | Iterable[str], ability: str) -> str | None:
    """Return why a strategy cannot do something, and what can; None where nothing is in the way.

    Parameters
    ----------
    strategies : str or iterable of str
        Its class, or its classes from the most special on, of which the first that is known counts.
    ability : str
        One of `ABILITIES`.
    """
    names = [strategies] if isinstance(strategies, str) else list(strategies)
    known = next((name for name in names if name in TABLE), None)
    reason = None if known is None else TABLE[known].get(ability)
    if known is None or reason is None:
        return None
    other = nearest(known, ability)
    remedy = "no other strategy can, either" if other is None else f"{other} can"
    return f"{known} cannot {ABILITIES[ability]}: {reason}; {remedy}"


def nearest(strategy: str, ability: str) -> str | None:
    """Return the strategy next in the table that can do what one cannot; None where there is none.

    Those that need a library of their own come last.
    """
    order = list(TABLE)
    able = [name for name in order if ability not in TABLE[name]]
    own = _library_of(strategy)

    def distance(name: str) -> tuple[bool, int]:
        another = _library_of(name) not in (None, own)
        return another, abs(order.index(name) - order.index(strategy))

    return min(able, key=distance, default=None)


def _library_of(strategy: str) -> str | None:
    """Return the strategy that needs a library of its own, whatever its settings; None for others."""
    return next((name for name in _WITH_LIBRARY if strategy.startswith(name)), None)


def require_optimizers(strategy: type | Sequence[str], made: Any) -> None:
    """Refuse optimizers that a strategy cannot train by.

    Parameters
    ----------
    strategy : type or sequence of str
        Its class, or its names, the most special first.
    made
        An optimizer, what holds one as ``optimizer``, or several such as ``optim_wrappers``.

    Raises
    ------
    CapabilityError
    """
    several = getattr(made, "optim_wrappers", None)
    if several is not None:
        for one in several.values():
            require_optimizers(strategy, one)
        return
    kind = type(getattr(made, "optimizer", made))
    names = [one.__name__ for one in strategy.__mro__] if isinstance(strategy, type) else strategy
    for ability in filter(None, (ability_of_optimizer(one.__name__) for one in kind.__mro__)):
        refused = refusal(names, ability)
        if refused is not None:
            raise CapabilityError(f"{kind.__name__}: {refused}")
