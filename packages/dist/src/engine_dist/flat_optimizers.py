"""The state of an optimizer whose parameters are runs, as FSDP1 leaves them: that of any strategy's.

What it has gathered of a parameter has the parameter's shape in a state, split by rows, and stands
there for all processes, also for those that have none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from engine_dist.flat_parameters import Run, run_of, shape_when_whole
from engine_dist.object_collectives import all_gather_object

__all__ = ["keep_optimizer_state"]


def keep_optimizer_state(optimizer: Optimizer) -> None:
    """Let an optimizer's state be that of the same one over the parameters unsplit."""
    optimizer.register_state_dict_post_hook(_given)
    optimizer.register_load_state_dict_pre_hook(_taken)


def _params(optimizer: Optimizer) -> list[Tensor]:
    return [param for group in optimizer.param_groups for param in group["params"]]


def _is_run(value: Any, run: Run | None, param: Tensor) -> bool:
    """Tell whether an entry of a state is of each number of a parameter."""
    return run is not None and isinstance(value, Tensor) and value.shape == param.shape


@torch.no_grad()
def _given(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Return a state with all that any process has; every process calls it."""
    params = _params(optimizer)
    own = {place: params[place] for place in state["state"]}
    every = all_gather_object(
        {place: _outline(state["state"][place], param) for place, param in own.items()}
    )
    held: dict[int, dict[str, Any]] = {}
    for outlines in every:
        for place, outline in outlines.items():
            held.setdefault(place, outline)
    made: dict[int, dict[str, Any]] = {}
    for place in sorted(held):
        mine, run = state["state"].get(place, {}), run_of(params[place])
        made[place] = {}
        for name, value in held[place].items():
            if isinstance(value, torch.dtype):  # of each number
                assert run is not None  # for the type checker: it is of an outline
                here = mine.get(name, params[place].new_zeros(0, dtype=value))
                made[place][name] = run.by_rows(here)
            else:
                made[place][name] = mine.get(name, value)
    return {**state, "state": made}


def _outline(own: Mapping[str, Any], param: Tensor) -> dict[str, Any]:
    """Return what is held of a parameter, of tensors of its numbers their type."""
    run = run_of(param)
    return {k: v.dtype if _is_run(v, run, param) else v for k, v in own.items()}


@torch.no_grad()
def _taken(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Return of a state what this process has a part in."""
    params = _params(optimizer)
    places = [place for group in state["param_groups"] for place in group["params"]]
    made: dict[Any, Any] = {}
    for place, param in zip(places, params, strict=False):
        own = state["state"].get(place)
        if own is None:
            continue
        cut = {name: _cut(value, param) for name, value in own.items()}
        if run_of(param) is None or param.numel():
            made[place] = cut
    return {**state, "state": made}


def _cut(value: Any, param: Tensor) -> Any:
    run = run_of(param)
    if run is None or not isinstance(value, Tensor) or value.shape != shape_when_whole(param):
        return value
    return run.cut(value)
