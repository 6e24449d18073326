"""Recompute activations in the backward pass rather than keep them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


def turn_on_activation_checkpointing(model: nn.Module, modules: str | Sequence[str]) -> None:
    """Recompute the activations of the named submodules in the backward pass.

    Parameters
    ----------
    model
        The model; it is changed in place, its parameters' names are not.
    modules
        Dotted names of submodules, as `torch.nn.Module.named_modules` says them.

    Raises
    ------
    ValueError
        Where the model has no such submodule; all wrong names at once.
    """
    names = [modules] if isinstance(modules, str) else list(modules)
    known = dict(model.named_modules())
    unknown = [name for name in names if name not in known]
    if unknown:
        some = ", ".join(list(known)[1:21])
        raise ValueError(f"the model has no submodules {unknown}; it has: {some}")
    for name in names:
        module = known[name]
        module.forward = partial(checkpoint, module.forward, use_reentrant=False)
