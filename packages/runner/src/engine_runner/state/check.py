"""Hold what a checkpoint says of a run against the run, before anything of it is changed.

A file may hold anything under the keys that a run reads: each is looked at before the first is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from torch import Tensor

from engine_dist import data_parallel, get_rng_state, set_rng_state
from engine_dist.checkpoint import CheckpointError, CorruptCheckpointError
from engine_dist.checkpoint.matching import STRIP_MODULE, compare, revise
from engine_dist.wrappers import unwrap
from engine_optim import OptimError
from engine_runner.hooks.hook import overrides
from engine_runner.state.parts import parts_of

__all__ = ["ResumeError", "check_header", "check_state", "check_weights"]

_HUB = ("log_scalars", "runtime_info", "resumed_keys")


class ResumeError(CheckpointError, ValueError):
    """A checkpoint that can be read, but that this run cannot go on from."""


def check_weights(state: Mapping[str, Any], file: str) -> None:
    """Raise `CorruptCheckpointError` unless the weights of a checkpoint stand under names."""
    weights = _entry(state, "state_dict", Mapping, "a dict of tensors by name", file)
    for name in state if weights is None else weights:
        if not isinstance(name, str):
            raise _damaged(file, "state_dict", f"a name {name!r:.40} in it", "text")


def check_state(
    run: Any, state: Mapping[str, Any], file: str, *, optimizer: bool, schedulers: bool
) -> None:
    """Tell whether ``run`` can go on from a checkpoint; nothing is changed.

    Parameters
    ----------
    run : TrainingParts
        The run, set up.
    state : Mapping
        All of the checkpoint.
    file : str
        Its name, for messages.
    optimizer, schedulers : bool
        Whether the run is to take up these.

    Raises
    ------
    ResumeError
        If it holds no training state, or that of another model, another optimizer or other
        schedules: all that does not fit is told.
    CorruptCheckpointError
        If it holds what no run saves.
    """
    check_header(state, file)
    _check_hub(state, file)
    _check_rng(state, file)
    shown = _entry(state, "visualizer", Mapping, "a dict of run and rows", file) or {}
    rows = _entry(shown, "rows", Mapping, "a dict of counts", file) or {}
    for name in rows:
        _entry(rows, name, Integral, "a whole number", file)
    _check_named(run, state, file)
    faults = _model_faults(run, state)
    if optimizer and "optimizer" in state:
        faults += _optimizer_faults(run.optim_wrapper, state, file)
    if schedulers and "param_schedulers" in state:
        faults += _schedule_faults(run.param_schedulers, state["param_schedulers"], file)
    if len(faults) == 1:
        raise ResumeError(f"{file} cannot be resumed from: {faults[0]}; nothing was loaded")
    if faults:
        said = "\n".join(f"- {fault}" for fault in faults)
        raise ResumeError(
            f"{file} cannot be resumed from: {len(faults)} things of it do not fit this run, and "
            f"nothing was loaded\n{said}"
        )


def check_header(state: Mapping[str, Any], file: str) -> None:
    """Tell whether a checkpoint holds what every run that goes on needs; as `check_state`."""
    check_weights(state, file)
    _check_counts(state, file)


def _damaged(file: str, name: str, given: str, allowed: str) -> CorruptCheckpointError:
    return CorruptCheckpointError(
        f"{file} is no checkpoint of a run, or damaged: {name} must be {allowed}, got {given}; "
        "nothing of it was loaded. Go on from another checkpoint, or load its weights alone by "
        "load_from without resume"
    )


def _entry(state: Mapping[str, Any], name: str, kind: Any, allowed: str, file: str) -> Any:
    """Return an entry of a kind, None where there is none."""
    found = state.get(name)
    if name in state and (not isinstance(found, kind) or isinstance(found, (str, bytes, bool))):
        raise _damaged(file, name, f"{found!r:.40} ({type(found).__name__})", allowed)
    return found


def _check_counts(state: Mapping[str, Any], file: str) -> None:
    meta = _entry(state, "meta", Mapping, "a dict", file)
    if meta is None or "iter" not in meta:
        raise ResumeError(
            "the checkpoint holds weights but no training state (no meta['iter']); "
            "use load_from to start from weights"
        )
    loop = _entry(state, "train_loop", Mapping, "a dict", file)
    for where, counts in (("meta", meta), ("train_loop", loop)):
        for name in () if counts is None else ("epoch", "iter"):
            count = counts.get(name)
            whole = isinstance(count, Integral) and not isinstance(count, bool) and int(count) >= 0
            if not whole:
                raise _damaged(file, f"{where}[{name!r}]", f"{count!r:.40}", "a whole number")
    if loop is not None:
        for name in ("passes", "validated", "tokens"):
            _entry(loop, name, Integral, "a whole number", file)
        _check_position(_entry(loop, "dataloader", Mapping, "a dict", file), file)


def _check_position(place: Mapping[str, Any] | None, file: str) -> None:
    sampler = _entry(place or {}, "sampler", Mapping, "a dict", file) or {}
    _entry(sampler, "position", Integral, "a whole number", file)


def _check_hub(state: Mapping[str, Any], file: str) -> None:
    hub = _entry(state, "message_hub", Mapping, f"a dict of {', '.join(_HUB)}", file)
    for part in () if hub is None else _HUB:
        if not isinstance(hub.get(part), Mapping):
            raise _damaged(file, f"message_hub[{part!r}]", f"{hub.get(part)!r:.40}", "a dict")


def _check_rng(state: Mapping[str, Any], file: str) -> None:
    """Put this process' generators where the file says, and back again."""
    for name in ("rng", "pass_rng"):
        saved = _entry(state, name, Sequence, "a list, one of each process", file)
        place = data_parallel()
        if not saved or len(saved) != place.size:
            continue
        own, mine = saved[place.rank], get_rng_state()
        try:
            set_rng_state(own)
        except (
            AttributeError,
            IndexError,
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
        ) as error:
            given = f"{own!r:.40} ({error})"
            raise _damaged(file, name, given, "states of generators") from error
        finally:
            set_rng_state(mine)


def _check_named(run: Any, state: Mapping[str, Any], file: str) -> None:
    """See that what is there of hooks and metrics is of the kind that they save."""
    for part in parts_of(run, optimizer=False, schedulers=False):
        if part.lack is None or part.key not in state:
            continue
        if part.per_rank:
            _entry(state, part.key, Sequence, "a list, one of each process", file)
        elif isinstance(part.save(), Mapping):
            _entry(state, part.key, Mapping, "a dict", file)


def _model_faults(run: Any, state: Mapping[str, Any]) -> list[str]:
    """Return in a line or several how the weights differ; only loading tells where a user's hook may change them first."""
    if not state.get("state_dict"):  # which a strategy of its own takes up by itself
        return []
    weights = revise(state["state_dict"], STRIP_MODULE)
    hooks = [hook for hook in run.hooks if overrides(hook, "after_load_checkpoint")]
    if any(not type(hook).__module__.startswith("engine_runner.") for hook in hooks):
        return []
    report = compare(unwrap(run.model), weights)
    return [f"the model: {report}"] if report is not None and not report.complete else []


def _optimizer_faults(wrapper: Any, state: Mapping[str, Any], file: str) -> list[str]:
    faults = []
    try:
        wrapper.check_state_dict(state["optimizer"])
    except OptimError as error:
        faults = [_fault(error)]
    gathered = _entry(state, "accumulation", Mapping, "a dict", file)
    if gathered is None:
        return faults
    for name, own in {"": gathered}.items() if "counts" in gathered else gathered.items():
        if not (isinstance(own, Mapping) and {"counts", "inner"} <= own.keys()):
            where = f"accumulation[{name!r}]" if name else "accumulation"
            raise _damaged(file, where, f"{own!r:.40}", "a dict of counts and inner")
    return faults


def _fault(error: Exception) -> str:
    return str(error).removesuffix("; nothing was loaded")


def _schedule_faults(schedulers: Any, states: Any, file: str) -> list[str]:
    if isinstance(schedulers, Mapping):
        if not isinstance(states, Mapping) or set(states) != set(schedulers):
            saved = sorted(map(str, states)) if isinstance(states, Mapping) else f"{states!r:.40}"
            return [
                f"it holds the schedules of {saved}, this run has optimizers {sorted(schedulers)}"
            ]
        return [
            fault
            for name, members in schedulers.items()
            for fault in _schedule_faults(members, states[name], file)
        ]
    if not isinstance(states, (list, tuple)):
        raise _damaged(file, "param_schedulers", f"{states!r:.40}", "a list of dicts")
    if len(schedulers) != len(states):
        return [
            f"it holds {len(states)} parameter schedulers and this run has {len(schedulers)}; "
            "resume with the param_scheduler that the run was started with"
        ]
    found = (
        _schedule_fault(scheduler, own, index, file)
        for index, (scheduler, own) in enumerate(zip(schedulers, states, strict=True))
    )
    return [fault for fault in found if fault is not None]


def _schedule_fault(scheduler: Any, own: Any, index: int, file: str) -> str | None:
    where = f"param_schedulers[{index}]"
    if not isinstance(own, Mapping):
        raise _damaged(file, where, f"{own!r:.40}", "a dict")
    for name, value in scheduler.state_dict().items():
        if name in own and not _is_alike(own[name], value):
            kind = type(value).__name__
            raise _damaged(file, f"{where}[{name!r}]", f"{own[name]!r:.40}", f"of type {kind}")
    saved, mine = own.get("base_values"), getattr(scheduler, "base_values", None)
    if saved is None or mine is None:
        return None
    if not isinstance(saved, (list, tuple)):
        raise _damaged(file, f"{where}['base_values']", f"{saved!r:.40}", "a list")
    if len(saved) == len(mine):
        return None
    return (
        f"its schedule {index} is for {len(saved)} parameter groups, the optimizer has {len(mine)}"
    )


def _is_alike(saved: Any, mine: Any) -> bool:
    """Tell whether a saved setting can stand for one of this run; of containers nobody can tell."""
    if isinstance(mine, (bool, str)):
        return type(saved) is type(mine)
    if isinstance(mine, (int, float)):
        number = isinstance(saved, (Real, Tensor)) and not isinstance(saved, bool)
        return number or saved is None
    return True
