"""Which weights a validation measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist.wrappers import unwrap
from engine_runner.protocols import RunnerLike

__all__ = ["OTHER_WEIGHTS", "MeasuredWeights", "validated"]

OTHER_WEIGHTS = (
    "the best checkpoint holds other weights than those that were validated: a hook changed them in "
    "between. One that validates with averaged weights must save them too, in "
    "before_save_checkpoint, as EMAHook does, or put the trained ones back after this hook, with the "
    "priority LOWEST"
)


def validated(runner: RunnerLike) -> int | None:
    """Return up to where a training has been validated; None of a loop that does not say it."""
    return getattr(getattr(runner.train_loop, "progress", None), "validated", None)


class MeasuredWeights:
    """Tells whether weights are those that were measured: by a norm of each, not by a copy."""

    def __init__(self) -> None:
        self._norms: dict[str, Tensor] = {}

    def note(self, model: nn.Module) -> None:
        """Remember the weights that a model, or one that is wrapped, has now."""
        weights = dict(unwrap(model).named_parameters())
        self._norms = {name: _norm(weight) for name, weight in weights.items()}

    def are_in(self, weights: Mapping[str, Any]) -> bool:
        """Tell whether weights by name are those; what has other names counts as the same."""
        found = [
            torch.equal(norm, _norm(weights[name].to(norm.device)))
            for name, norm in self._norms.items()
            if name in weights
        ]
        return all(found)


@torch.no_grad()
def _norm(weight: Tensor) -> Tensor:
    if not weight.is_floating_point():
        return torch.zeros((), device=weight.device)
    # one that is not a number is the same as another
    norm: Tensor = torch.linalg.vector_norm(weight, dtype=torch.float32)
    return norm.nan_to_num()
