"""What a checkpoint and the configuration of the run that it is resumed in say differently."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from engine_config import origin_of

__all__ = ["Given", "each_schedule"]

logger = logging.getLogger("engine.runner")

# of a schedule's parameters, what is no setting
_NO_SETTINGS = {"self", "optimizer", "param_name", "last_step", "verbose", "args", "kwargs"}
_MMENGINES = {"anneal_func"}  # what its states have in the place of a setting of ours
_REMEDY = (
    "To use what the configuration says, call runner.resume(path, %s=False), or start from the "
    "weights: load_from without resume"
)


def each_schedule(schedulers: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every schedule, of one optimizer or of several, with its place among them."""
    items = schedulers.items() if isinstance(schedulers, Mapping) else enumerate(schedulers)
    for key, item in items:
        if hasattr(item, "step"):
            yield f"{place}{key}", item
        else:
            yield from each_schedule(item, f"{place}{key}.")


@dataclass(frozen=True)
class Given:
    """What the configuration says, taken before a checkpoint's state is loaded.

    Attributes
    ----------
    groups : list of dict
        The settings of every parameter group.
    schedules : dict
        The settings of every schedule, by its place.
    """

    groups: list[dict[str, Any]]
    schedules: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, run: Any) -> Given:
        """Take it from a run."""
        return cls(
            [_without_tensors(group) for group in _groups(run.optim_wrapper)],
            {place: _settings(own) for place, own in each_schedule(run.param_schedulers)},
        )

    def tell_of_optimizer(self, run: Any) -> None:
        """Tell which settings of the optimizer are the checkpoint's, where they are others."""
        names = _optimizer_settings(run.optim_wrapper)
        told: dict[str, dict[str, str]] = {"resume_param_scheduler": {}, "resume_optimizer": {}}
        for given, group in zip(self.groups, _groups(run.optim_wrapper), strict=True):
            for name in sorted(names & given.keys() & group.keys()):
                here, saved = _start(given, name), _start(_without_tensors(group), name)
                if _differ(here, saved) and not _driven(name, given, group):
                    # a schedule would go on from what it began with
                    remedy = (
                        f"resume_{'param_scheduler' if _initial(name) in group else 'optimizer'}"
                    )
                    said = _said(name, saved, here, _optimizer_node(run))
                    told[remedy].setdefault(name, said)
        for remedy, said_of in told.items():
            if said_of:
                logger.warning(
                    "the checkpoint overrides settings of the optimizer: %s. " + _REMEDY,
                    "; ".join(said_of.values()), remedy,
                )  # fmt: skip

    def changed_of(self, place: str, schedule: Any) -> dict[str, Any]:
        """Return what the configuration says of a schedule where it holds something else by now."""
        now = _settings(schedule)
        return {
            name: given
            for name, given in self.schedules[place].items()
            if name in now and _differ(now[name], given)
        }

    def tell_of_schedules(self, run: Any, states: Any, told: Collection[str] = ()) -> None:
        """Tell which settings of the schedules are the checkpoint's, where they are others.

        Parameters
        ----------
        run, states
            The run, which has taken up the states.
        told
            The places of schedules of which it is told already.
        """
        saved = dict(_each_state(states))
        for place, schedule in each_schedule(run.param_schedulers):
            kind, node = type(schedule).__name__, _schedule_node(run, place)
            settings = _settings(schedule)
            changed = {} if place in told else self.changed_of(place, schedule)
            said = [_said(name, settings[name], given, node) for name, given in changed.items()]
            if said:
                logger.warning(
                    "the checkpoint overrides settings of %s (param_scheduler.%s): %s. " + _REMEDY,
                    kind, place, "; ".join(said), "resume_param_scheduler",
                )  # fmt: skip
            _tell_of_kind(schedule, place, saved[place])

    def tell_of_seed(self, run: Any, meta: Mapping[str, Any]) -> None:
        """Tell where a seed was asked for, and the random numbers go on from another."""
        asked = (run.cfg.get("randomness") or {}).get("seed")
        if asked is not None and "seed" in meta and meta["seed"] != asked:
            logger.warning(
                "the checkpoint overrides the seed: random numbers go on from those of %s, as "
                "saved, not of %s", meta["seed"], asked,
            )  # fmt: skip


def _said(name: str, saved: Any, given: Any, node: Any) -> str:
    origin = origin_of(node, name) if isinstance(node, Mapping) and name in node else None
    return f"{name} is {saved}, as saved, not {given}{f' ({origin})' if origin else ''}"


def _differ(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return list(one) != list(other)
    return bool(one != other)


# ------------------------------------------------------------------ optimizers


def _groups(wrapper: Any) -> list[dict[str, Any]]:
    groups = wrapper.param_groups
    if isinstance(groups, Mapping):
        return [group for own in groups.values() for group in own]
    return list(groups)


def _without_tensors(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group's settings; a capturable optimizer keeps numbers as tensors."""
    return {
        key: value.tolist() if isinstance(value, Tensor) else value
        for key, value in group.items()
        if key not in ("params", "param_names")
    }


def _start(group: Mapping[str, Any], name: str) -> Any:
    """Return a setting; of one that a schedule changes, what it began from."""
    return group.get(_initial(name), group[name])


def _initial(name: str) -> str:
    return f"initial_{name}"


def _driven(name: str, *groups: Mapping[str, Any]) -> bool:
    """Tell whether a schedule of one cycle set even the first value, or momentum stands for it."""
    return any(
        f"max_{name}" in group or (name == "betas" and "initial_momentum" in group)
        for group in groups
    )


def _optimizer_settings(wrapper: Any) -> set[str]:
    """Return the parameters of the optimizers' classes: groups may hold more, that changes."""
    inner = getattr(wrapper, "optim_wrappers", {"": wrapper})
    kinds = [type(getattr(own, "optimizer", own)) for own in inner.values()]
    own = {name for kind in kinds for name in inspect.signature(kind.__init__).parameters}
    return {"lr", "momentum", "weight_decay", *own}


def _optimizer_node(run: Any) -> Any:
    wrapper = run.cfg.get("optim_wrapper")
    return wrapper.get("optimizer") if isinstance(wrapper, Mapping) else None


# ------------------------------------------------------------------- schedules


def _parameters(schedule: Any) -> dict[str, Any]:
    """Return the parameters of a schedule's classes with their defaults."""
    found: dict[str, Any] = {}
    for kind in type(schedule).__mro__[:-1]:
        if "__init__" in vars(kind):
            own = inspect.signature(vars(kind)["__init__"]).parameters
            found.update({name: parameter.default for name, parameter in own.items()})
    return {name: default for name, default in found.items() if name not in _NO_SETTINGS}


def _settings(schedule: Any) -> dict[str, Any]:
    state = getattr(schedule, "__dict__", {})
    return {name: state[name] for name in _parameters(schedule) if name in state}


def _each_state(states: Any, place: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the saved states as `each_schedule` yields schedules."""
    if not isinstance(states, Mapping):
        for index, state in enumerate(states):
            yield f"{place}{index}", state
        return
    for name, own in states.items():
        yield from _each_state(own, f"{place}{name}.")


def _tell_of_kind(schedule: Any, place: str, saved: Mapping[str, Any]) -> None:
    """Tell where a schedule goes on from the state of one of another class."""
    if saved.get("idle") or not _settings(schedule):
        return
    parameters, state = _parameters(schedule), vars(schedule)
    foreign = sorted(
        name for name in saved if not name.startswith("_") and name not in {*state, *_MMENGINES}
    )
    lacking = sorted(
        name for name, value in _settings(schedule).items()
        if name not in saved and value != parameters[name] and not _MMENGINES & saved.keys()
    )  # fmt: skip
    if foreign or lacking:
        logger.warning(
            "the checkpoint holds in the place of %s (param_scheduler.%s) the state of a schedule "
            "of another kind: %s; the steps done are taken from it. " + _REMEDY,
            type(schedule).__name__, place, _kinds(foreign, lacking), "resume_param_scheduler",
        )  # fmt: skip


def _kinds(foreign: list[str], lacking: list[str]) -> str:
    said = (f"it has {', '.join(foreign)}" if foreign else "",
            f"it lacks {', '.join(lacking)}" if lacking else "")  # fmt: skip
    return " and ".join(filter(None, said))


def _schedule_node(run: Any, place: str) -> Any:
    node = run.cfg.get("param_scheduler")
    for key in place.split("."):
        if isinstance(node, Mapping) and key in node:
            node = node[key]
        elif isinstance(node, (list, tuple)) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
    return node
