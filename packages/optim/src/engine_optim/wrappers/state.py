"""Hold a saved optimizer state against the live groups before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from torch import Tensor
from torch.optim import Optimizer

from engine_dist.flat_parameters import shape_when_whole
from engine_optim.errors import StateMismatchError

__all__ = ["check_state", "raise_together"]


_NOTHING = "; nothing was loaded"
_MOST_MOMENTS = 5  # of those that do not fit, which are named
_CONTAINERS = (str, bytes, list, tuple, dict)

# what a step of torch's optimizers must find in what they gathered, which has the parameter's shape
# (not so of LBFGS and Adafactor)
_MOMENTS = ("exp_avg", "exp_avg_sq")
_GATHERED = {
    "Adadelta": ("square_avg", "acc_delta"),
    "Adagrad": ("sum",),
    "Adam": _MOMENTS,
    "Adamax": ("exp_avg", "exp_inf"),
    "AdamW": _MOMENTS,
    "ASGD": ("ax",),
    "Muon": ("momentum_buffer",),
    "NAdam": (*_MOMENTS, "mu_product"),
    "RAdam": _MOMENTS,
    "RMSprop": ("square_avg",),
    "Rprop": ("prev", "step_size"),
    "SGD": (),
    "SparseAdam": _MOMENTS,
}


def check_state(optimizer: Any, state: Any) -> None:
    """Raise `StateMismatchError` that says why an optimizer could not go on from a state.

    What is no torch optimizer is left to check by itself.
    """
    if not isinstance(optimizer, Optimizer):
        return
    _check_form(state)
    groups = state["param_groups"]
    raise_together(
        [lambda: _check_groups(optimizer, groups), lambda: _check_kind(optimizer, groups)]
    )
    kind = type(optimizer)
    if kind.__module__.startswith("torch.optim.") and kind.__name__ in _GATHERED:
        _check_gathered(optimizer, state)


def raise_together(checks: Iterable[Callable[[], None]]) -> None:
    """Make several checks; raise what all of them have found as one `StateMismatchError`."""
    found = []
    for check in checks:
        try:
            check()
        except StateMismatchError as error:
            found.append(error)
    if len(found) == 1:
        raise found[0]
    if found:
        said = [str(error).removesuffix(_NOTHING) for error in found]
        raise StateMismatchError("; ".join(dict.fromkeys(said)) + _NOTHING)


def _check_form(state: Any) -> None:
    form: dict[str, Any] = {"state": Mapping, "param_groups": (list, tuple)}
    if not isinstance(state, Mapping):
        _refuse(f"it is a {type(state).__name__}: {state!r:.40}")
    for key, kind in form.items():
        if not isinstance(state.get(key), kind):
            _refuse(f"its {key!r} is {state.get(key)!r:.40}")
    for index, group in enumerate(state["param_groups"]):
        if not (isinstance(group, Mapping) and _are_members(group.get("params"))):
            _refuse(f"its group {index} has no list of 'params': {group!r:.40}")
    for key, own in state["state"].items():
        if not isinstance(own, Mapping):
            _refuse(f"what it holds of parameter {key!r} is {own!r:.40}")


def _are_members(params: Any) -> bool:
    return isinstance(params, (list, tuple)) and all(isinstance(p, (int, str)) for p in params)


def _refuse(what: str) -> NoReturn:
    raise StateMismatchError(
        f"the saved optimizer state is none: {what}; a torch optimizer's is a dict of 'state' and "
        "'param_groups'; nothing was loaded"
    )


def _check_groups(optimizer: Optimizer, saved: list[dict[str, Any]]) -> None:
    live = optimizer.param_groups
    sizes = [_size(group) for group in saved], [_size(group) for group in live]
    if sizes[0] == sizes[1]:
        return
    what = "; ".join(_differences(saved, live))
    raise StateMismatchError(
        f"the saved optimizer state has {len(saved)} parameter groups with {sum(sizes[0])} "
        f"parameters, this optimizer has {len(live)} with {sum(sizes[1])}: {what}. Build it with "
        "the paramwise_cfg and the frozen parameters of the saved run; nothing was loaded"
    )


def _check_kind(optimizer: Optimizer, saved: list[dict[str, Any]]) -> None:
    """Refuse the groups of another class, of which a step would miss its settings."""
    groups = _as_loaded(optimizer, saved)
    for index, group in enumerate(groups):
        for name, value in optimizer.defaults.items():
            if isinstance(value, (int, float)) and isinstance(group.get(name), _CONTAINERS):
                _refuse(f"{name} of its group {index} is {group[name]!r:.40}")
        missing = [name for name in optimizer.defaults if name not in group]
        if missing:
            _refuse_kind(optimizer, missing, [key for key in saved[index] if key != "params"])


def _refuse_kind(optimizer: Optimizer, missing: list[str], saved: Iterable[Any]) -> NoReturn:
    raise StateMismatchError(
        f"the saved optimizer state is of another optimizer than {type(optimizer).__name__}, which "
        f"needs {', '.join(missing)}: saved are {', '.join(map(str, saved))}. Build the optimizer "
        "of the saved run, or go on without its state; nothing was loaded"
    )


def _check_gathered(optimizer: Optimizer, state: Any) -> None:
    """Refuse moments that a step would miss, or that are no tensors in their parameter's shape."""
    live = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    saved = [key for group in state["param_groups"] for key in group["params"]]
    needed = _GATHERED[type(optimizer).__name__]
    odd: list[str] = []
    for key, parameter in zip(saved, live, strict=True):
        own = state["state"].get(key)
        if not own:  # as of a parameter that was frozen
            continue
        missing = [name for name in needed if name not in own]
        if missing:
            _refuse_kind(optimizer, missing, own)
        for name, value in own.items():
            what = f"{name} of parameter {key!r}"
            if not _is_moment(what, value, parameter):
                here = tuple(shape_when_whole(parameter))
                odd.append(
                    f"{what} has the shape {tuple(value.shape)}, and here the parameter has {here}"
                )
    if odd:
        more = f", and {len(odd) - _MOST_MOMENTS} more" if len(odd) > _MOST_MOMENTS else ""
        raise StateMismatchError(
            f"the saved optimizer state is of another model: {', '.join(odd[:_MOST_MOMENTS])}{more}. "
            f"Build the model of the saved run, its parameters in the same order{_NOTHING}"
        )


def _is_moment(what: str, value: Any, parameter: Tensor) -> bool:
    if isinstance(value, _CONTAINERS):
        _refuse(f"{what} is {value!r:.40}")
    # a count of steps has no shape
    return (
        not isinstance(value, Tensor)
        or value.numel() == 1
        or value.shape == shape_when_whole(parameter)
    )


def _as_loaded(optimizer: Optimizer, saved: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the groups with what their class adds to those that older releases of it saved."""
    probe = type(optimizer).__new__(type(optimizer))
    groups = [{**group, "params": []} for group in saved]
    try:
        probe.__setstate__(
            {"defaults": dict(optimizer.defaults), "state": {}, "param_groups": groups}
        )
    except (AttributeError, KeyError):  # an optimizer that keeps more than torch's do
        return [{**optimizer.defaults, **group} for group in groups]
    return groups


def _differences(saved: list[dict[str, Any]], live: list[dict[str, Any]]) -> list[str]:
    faults = []
    for index in range(max(len(saved), len(live))):
        old = saved[index] if index < len(saved) else None
        new = live[index] if index < len(live) else None
        if old is None or new is None:
            where = "this optimizer" if old is None else "the saved state"
            faults.append(f"group {_name(index, old or new or {})} only in {where}")
        elif _size(old) != _size(new):
            faults.append(
                f"group {_name(index, new)} has {_size(old)} parameters saved and {_size(new)} here"
            )
    shown, rest = faults[:5], len(faults) - 5
    return [*shown, f"and {rest} more"] if rest > 0 else shown


def _size(group: dict[str, Any]) -> int:
    return len(group["params"])


def _name(index: int, group: dict[str, Any]) -> str:
    settings = ", ".join(f"{key}={group[key]}" for key in ("lr", "weight_decay") if key in group)
    return f"{index} ({settings})"
