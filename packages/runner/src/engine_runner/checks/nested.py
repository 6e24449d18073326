"""Names within dictionaries that components take, where nothing else tells which they may be."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch.nn.parallel import DistributedDataParallel

from engine_config import ConfigDict
from engine_config.near_names import near_names
from engine_dist.strategies.precision import Mixed
from engine_dist.wrappers import MMDistributedDataParallel
from engine_registry import Fault
from engine_registry.faults import fault
from engine_runner.assembly.defaults import DEFAULT_HOOKS

__all__ = ["nested_faults", "unknown_in"]

_WRAPPERS = ("MMDistributedDataParallel", "MMSeparateDistributedDataParallel")


def nested_faults(root: ConfigDict) -> Iterator[Fault]:
    """Yield the names that nothing reads in what a strategy, a wrapper and the default hooks take."""
    yield from _of_strategy(dict.get(root, "strategy"))
    yield from _of_wrapper(dict.get(root, "model_wrapper_cfg"), ("model_wrapper_cfg",))
    yield from _of_hooks(dict.get(root, "default_hooks"))


def _of_strategy(node: Any) -> Iterator[Fault]:
    if not isinstance(node, dict):
        return
    kind = _name(node.get("type"))
    if kind == "FSDPStrategy":
        modules = ("classes", "names", "min_params")
        for key, known in (
            ("wrap", modules),
            ("compile_blocks", (*modules, "options")),
            ("mixed_precision", _parameters(Mixed)),
        ):
            yield from unknown_in(node.get(key), ("strategy", key), known)
    if kind in ("DDPStrategy", "ZeRO1Strategy"):
        yield from _of_wrapper(node.get("model_wrapper"), ("strategy", "model_wrapper"))


def _of_wrapper(node: Any, path: tuple[str, ...]) -> Iterator[Fault]:
    """Yield what neither the engine's wrapper takes nor torch's, which has the rest from it."""
    if isinstance(node, dict) and _name(node.get("type", _WRAPPERS[0])) in _WRAPPERS:
        own = _parameters(MMDistributedDataParallel)
        known = dict.fromkeys((*own, *_parameters(DistributedDataParallel)))
        yield from unknown_in(node, path, [name for name in known if name != "module"], ("type",))


def _of_hooks(node: Any) -> Iterator[Fault]:
    """Yield hooks without a type: one given by a default one's name takes all of its place."""
    if not isinstance(node, dict):
        return
    for name in node:
        value = dict.__getitem__(node, name)
        if not isinstance(value, Mapping) or "type" in value:
            continue
        if name in DEFAULT_HOOKS:
            said = (
                f"it has no type: a dictionary here takes the place of the default one; give it "
                f"type={DEFAULT_HOOKS[name]['type']!r} beside the rest"
            )
        else:
            near = near_names(name, DEFAULT_HOOKS)
            meant = (
                f"did you mean {near[0]!r}?" if near else f"there are {', '.join(DEFAULT_HOOKS)}."
            )
            said = f"no default hook has this name, {meant} A hook of another name needs a type"
        yield fault(node, ("default_hooks",), str(name), said)


def unknown_in(
    node: Any, path: tuple[str, ...], known: Iterable[str], beside: Iterable[str] = ()
) -> Iterator[Fault]:
    """Yield the keys of a dictionary that are none of those it takes.

    Parameters
    ----------
    node, path
        The dictionary, if it is one, and where it stands.
    known, beside
        What it takes; of those the first are named in the message.
    """
    if not isinstance(node, dict):
        return
    takes, other = list(known), set(beside)
    for key in node:
        if key in takes or key in other:
            continue
        near = near_names(key, takes)
        meant = f", did you mean {near[0]!r}?" if near else "."
        said = f"{'.'.join(path)} takes no {key!r}{meant} It takes: {', '.join(takes)}"
        yield fault(node, path, str(key), said)


def _parameters(kind: type) -> list[str]:
    parameters = inspect.signature(kind).parameters.values()
    named = (one for one in parameters if one.kind is not one.VAR_KEYWORD)
    return [one.name for one in named if not one.name.startswith("_")]


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind)).rpartition(".")[2]
