"""What of a run is saved beside its weights: one list, which saving and resuming both walk.

The keys are MMEngine's where it has them: ``message_hub``, ``optimizer``, ``param_schedulers``. Ours
beside them are ``train_loop``, ``visualizer`` (the run's identity, and how much was logged),
``accumulation`` (the gradients of a step that is not made yet), ``rng``, ``pass_rng`` (the generators
as the pass over the data began, in its middle), ``rank_buffers`` (the model's buffers that are not
the same on all ranks) and, of a hook or a metric that has a state, ``hooks.<its class>`` and
``metrics.<its class>``: rank 0's, or one of each process where its attribute ``per_rank`` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine_dist.checkpoint.rank_buffers import gather_buffers, put_buffers
from engine_dist.wrappers import unwrap
from engine_runner.assembly.idle_schedule import take_up
from engine_runner.protocols import SavedRun

__all__ = ["Part", "parts_of"]


@dataclass(frozen=True)
class Part:
    """Something of a run that has a state.

    Attributes
    ----------
    key : str
        Where it stands in a checkpoint.
    save : callable
        Returns the state, or None where there is none now.
    load : callable
        Takes a state over.
    per_rank : bool
        Whether each process has its own.
    lack : str, optional
        What is to be said of a checkpoint without it; None where that is as usual.
    """

    key: str
    save: Callable[[], Any]
    load: Callable[[Any], object]
    per_rank: bool = False
    lack: str | None = None


def parts_of(run: SavedRun, *, optimizer: bool = True, schedulers: bool = True) -> list[Part]:
    """Return the parts of a run in the order in which they are taken up.

    Parameters
    ----------
    run : SavedRun
        The run, set up for training.
    optimizer, schedulers : bool
        Whether these are among them.
    """
    parts = [_train_loop(run.train_loop), _part("message_hub", run.message_hub)]
    parts += _visualizer(run)
    if optimizer:
        parts += _optimizer(run.optim_wrapper)
    if schedulers:
        parts.append(_schedules(run.param_schedulers))
    parts.append(_buffers(run))
    parts += _generators(run.train_loop)
    parts += _named("hooks", run.hooks)
    parts += _named("metrics", getattr(getattr(run.val_loop, "evaluator", None), "metrics", ()))
    return parts


def _part(key: str, owner: Any, lack: str | None = None) -> Part:
    return Part(key, owner.state_dict, owner.load_state_dict, lack=lack)


def _train_loop(loop: Any) -> Part:
    if hasattr(loop, "load_state_dict"):
        return _part("train_loop", loop)

    def load(state: Mapping[str, Any]) -> None:  # as MMEngine sets the counts
        loop._epoch, loop._iter = state["epoch"], state["iter"]

    def save() -> dict[str, int]:
        ending = getattr(loop, "ending", None)
        return {
            "epoch": loop.epoch + (ending == "epoch"), "iter": loop.iter + (ending == "iter")
        }  # fmt: skip

    return Part("train_loop", save, load)


def _visualizer(run: SavedRun) -> Iterator[Part]:
    shown = run.visualizer
    if hasattr(shown, "go_on"):  # one of a user's own need not be ours
        yield Part(
            "visualizer", shown.state_dict, lambda state: shown.go_on(state, run.train_loop.iter)
        )


def _optimizer(wrapper: Any) -> Iterator[Part]:
    yield _part(
        "optimizer", wrapper,
        "no state of the optimizer (save_optimizer=False): what it had gathered, such as momentum, "
        "begins anew",
    )  # fmt: skip
    yield Part("accumulation", wrapper.accumulation_state, wrapper.load_accumulation_state)


def _schedules(schedulers: Any) -> Part:
    return Part(
        "param_schedulers",
        lambda: _states(schedulers),
        lambda states: _load_schedules(schedulers, states),
    )


def _states(schedulers: Any) -> Any:
    if isinstance(schedulers, Mapping):
        return {name: _states(members) for name, members in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers]


def _load_schedules(schedulers: Any, states: Any) -> None:
    if isinstance(schedulers, Mapping):
        for name, members in schedulers.items():
            _load_schedules(members, states[name])
        return
    for scheduler, state in zip(schedulers, states, strict=True):
        if state.get("idle"):
            take_up(scheduler, state)
        else:
            scheduler.load_state_dict(state)


def _buffers(run: SavedRun) -> Part:
    return Part(
        "rank_buffers",
        lambda: gather_buffers(unwrap(run.model)),
        lambda every: put_buffers(unwrap(run.model), every),
    )


def _generators(loop: Any) -> Iterator[Part]:
    if not hasattr(loop, "set_rng"):
        return
    yield Part("rng", lambda: loop.rng, lambda left: loop.set_rng(left=left), per_rank=True)
    yield Part(
        "pass_rng", lambda: loop.pass_rng, lambda begun: loop.set_rng(begun=begun), per_rank=True
    )


def _named(kind: str, owners: Iterable[Any]) -> Iterator[Part]:
    """Yield a part for each that has a state, known by its class; a second one by its number."""
    seen: Counter[str] = Counter()
    for owner in owners:
        if not (hasattr(owner, "state_dict") and hasattr(owner, "load_state_dict")):
            continue
        name = type(owner).__name__
        seen[name] += 1
        key = f"{kind}.{name}" + (f".{seen[name]}" if seen[name] > 1 else "")
        yield Part(
            key, owner.state_dict, owner.load_state_dict, bool(getattr(owner, "per_rank", False)),
            f"no {key}: it begins anew",
        )  # fmt: skip
