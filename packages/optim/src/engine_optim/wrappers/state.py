"""Hold a saved optimizer state against the live groups before anything is changed."""

from __future__ import annotations

from typing import Any

from engine_optim.errors import StateMismatchError

__all__ = ["check_groups"]


def check_groups(optimizer: Any, state: dict[str, Any]) -> None:
    """Raise `StateMismatchError` that says which groups differ."""
    saved, live = state.get("param_groups"), getattr(optimizer, "param_groups", None)
    if saved is None or live is None:
        return
    sizes = [_size(group) for group in saved], [_size(group) for group in live]
    if sizes[0] == sizes[1]:
        return
    what = "; ".join(_differences(saved, live))
    raise StateMismatchError(
        f"the saved optimizer state has {len(saved)} parameter groups with {sum(sizes[0])} "
        f"parameters, this optimizer has {len(live)} with {sum(sizes[1])}: {what}. Build it with "
        "the paramwise_cfg and the frozen parameters of the saved run; nothing was loaded"
    )


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
