"""Names and places of a module's state, whatever wraps it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from engine_dist.wrappers.unwrapping import is_model_wrapper

__all__ = ["get_state_dict", "weights_to_cpu"]


def get_state_dict(
    module: nn.Module,
    destination: dict[str, Any] | None = None,
    prefix: str = "",
    keep_vars: bool = False,
) -> dict[str, Any]:
    """Return a module's state under the names of the user's modules, without those of wrappers.

    Parameters
    ----------
    module : nn.Module
        The module; it, and any module in it, may be a wrapper.
    destination : dict, optional
        What to fill, and return.
    prefix : str
        Put before each name.
    keep_vars : bool
        Return the parameters themselves rather than their data.
    """
    state = module.state_dict(keep_vars=keep_vars)
    renamed: dict[str, Any] = OrderedDict() if destination is None else destination
    clean = plain_names(module, state)
    for name, value in state.items():
        renamed[prefix + clean[name]] = value
    if destination is None and not prefix and hasattr(state, "_metadata"):
        places = plain_names(module, [f"{name}." for name in state._metadata])
        renamed._metadata = {  # type: ignore[attr-defined]  # as torch keeps versions
            places[f"{name}."].rstrip("."): version for name, version in state._metadata.items()
        }
    return renamed


def plain_names(module: nn.Module, state: Iterable[str]) -> dict[str, str]:
    """Map each name in a module's own state to the name that it has without wrappers."""
    wrappers = [
        f"{path}." if path else ""
        for path, part in module.named_modules()
        if is_model_wrapper(part)
    ]
    names = {}
    for name in state:
        clean = name
        # the innermost first: the outer ones' paths then still hold
        for path in sorted(wrappers, key=len, reverse=True):
            if clean.startswith(f"{path}module."):
                clean = path + clean[len(path) + len("module.") :]
        names[name] = clean
    return names


def weights_to_cpu(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a state whose tensors are on the CPU; those already there are shared."""
    moved: dict[str, Any] = OrderedDict(
        (name, value.cpu() if isinstance(value, Tensor) else value)
        for name, value in state_dict.items()
    )
    if hasattr(state_dict, "_metadata"):
        moved._metadata = state_dict._metadata  # type: ignore[attr-defined]  # as torch keeps versions
    return moved
