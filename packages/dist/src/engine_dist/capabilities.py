"""What each strategy can do, and why not: one table for refusals, documentation and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
_NO_PLAN = "no strategy applies a plan of which layers to split"
_PLUGINS = "its plug-ins compute in it by themselves (plugin=dict(precision=…)), not by autocast"
_PIECES = "its plug-ins give the optimizer flat pieces of parameters, and this one looks at their "
_SHARES = (
    "each process would estimate it from its own share of the parameters, and another than all "
    "together: the weights come out different, and nothing says so"
)

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
        "tensor_parallel": _NO_PLAN,
        "adafactor": "Adafactor cannot reckon with parameters that are split",
        "muon": (
            "its steps are reckoned in bfloat16 and, of a split parameter, piece by piece: weights "
            "differ from those of one device by some 1e-3 after a few steps"
        ),
        "global_step_size": _SHARES,
    },
    "ColossalAIStrategy": {
        "clip_value": "its plug-ins clip by norm alone",
        "tensor_parallel": _NO_PLAN,
        "fp16": _PLUGINS,
        "bf16": _PLUGINS,
        "adafactor": f"{_PIECES}rows and columns",
        "muon": f"{_PIECES}matrices",
        "global_step_size": _SHARES,
        "schedule_free": "its optimizer has modes that the plug-ins' does not pass on",
    },
}
"""By strategy, what it cannot do; all else of `ABILITIES` it can."""

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
    """Return the strategy next in the table that can do what one cannot; None where there is none."""
    order = list(TABLE)
    able = [name for name in order if ability not in TABLE[name]]
    return min(able, key=lambda name: abs(order.index(name) - order.index(strategy)), default=None)


def require_optimizers(strategy: type, made: Any) -> None:
    """Refuse optimizers that a strategy cannot train by.

    Parameters
    ----------
    strategy : type
        Its class.
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
    classes = [one.__name__ for one in strategy.__mro__]
    for ability in filter(None, (ability_of_optimizer(one.__name__) for one in kind.__mro__)):
        refused = refusal(classes, ability)
        if refused is not None:
            raise CapabilityError(f"{kind.__name__}: {refused}")
