"""Layers that draw random numbers, switched off: over other numbers of processes they draw others."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

__all__ = ["silence"]

# what modules of others that drop something at random call how much
_NAMES = ("p", "drop_prob", "drop_rate", "drop_path", "prob")


def silence(model: nn.Module) -> list[str]:
    """Let no layer of a model drop anything; return the names of those that did."""
    return [name or type(model).__name__ for name, one in model.named_modules() if _silenced(one)]


def _silenced(module: nn.Module) -> bool:
    if isinstance(module, (nn.MultiheadAttention, nn.RNNBase)):
        before, module.dropout = module.dropout, 0.0
        return bool(before)
    if isinstance(module, nn.RReLU):
        apart = module.lower != module.upper
        module.lower = module.upper = (module.lower + module.upper) / 2
        return apart
    kinds = (kind.__name__ for kind in type(module).__mro__)
    drops = isinstance(module, _DropoutNd) or any(
        "Drop" in kind or kind == "StochasticDepth" for kind in kinds
    )
    found = [name for name in _NAMES if drops and _is_part(vars(module).get(name))]
    for name in found:
        setattr(module, name, 0.0)
    return bool(found)


def _is_part(value: object) -> bool:
    return isinstance(value, float) and 0 < value <= 1
