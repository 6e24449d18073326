"""What a run's configuration asks of its strategy, against the table of what that can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from engine_config import ConfigDict
from engine_dist.capabilities import ability_of_optimizer, refusal
from engine_registry import Fault
from engine_registry.faults import fault
from engine_runner.checks.deepspeed_settings import (
    asked_of_engine,
    driver_fault,
    stage_asked_for,
)

__all__ = ["abilities_asked_for", "ability_faults", "strategy_named"]

_HALVES = {
    "float16": "fp16",
    "bfloat16": "bf16",
    "torch.float16": "fp16",
    "torch.bfloat16": "bf16",
}


class Asked(NamedTuple):
    """An ability, and where it is asked for: the key of a dictionary at a path."""

    ability: str
    node: Any
    path: tuple[str, ...]
    key: str


def ability_faults(root: ConfigDict, strategies: str | Iterable[str]) -> Iterator[Fault]:
    """Yield what a configuration asks for that its strategy cannot do.

    Parameters
    ----------
    root
        The configuration.
    strategies
        The strategy's class, or its classes from the most special on.
    """
    names = [strategies] if isinstance(strategies, str) else list(strategies)
    if any(name.startswith("DeepSpeedStrategy") for name in names):
        driver = driver_fault(dict.get(root, "optim_wrapper"))
        if driver is not None:
            yield driver
    for asked in abilities_asked_for(root):
        refused = refusal(names, asked.ability)
        if refused is not None:
            yield fault(asked.node, asked.path, asked.key, refused)


def strategy_named(root: ConfigDict) -> str:
    """Return the strategy that a configuration names, or its launcher stands for, as the table has it."""
    strategy = dict.get(root, "strategy")
    if isinstance(strategy, Mapping) and strategy.get("type") is not None:
        name = _name(strategy["type"])
        stage = stage_asked_for(strategy) if name == "DeepSpeedStrategy" else None
        if name == "ColossalAIStrategy" and _has_replicas(strategy.get("plugin")):
            return (
                f"{name}(plugin=TorchDDPPlugin)"  # what the table tells is of its other plug-ins
            )
        return name if stage is None else f"{name}(stage={stage})"
    alone = dict.get(root, "launcher", "none") in (None, "none")
    return "SingleDeviceStrategy" if alone else "DDPStrategy"


def _has_replicas(plugin: Any) -> bool:
    return isinstance(plugin, Mapping) and _name(plugin.get("type")) == "TorchDDPPlugin"


def abilities_asked_for(root: ConfigDict) -> Iterator[Asked]:
    """Yield what a configuration asks of a strategy, as far as it can be seen."""
    if dict.get(root, "compile"):
        yield Asked("compile", root, (), "compile")
    yield from _of_wrapping(root)
    yield from _of_updates(dict.get(root, "optim_wrapper"), ("optim_wrapper",))
    yield from _of_hooks(root)


def _of_hooks(root: ConfigDict) -> Iterator[Asked]:
    custom, default = dict.get(root, "custom_hooks"), dict.get(root, "default_hooks")
    places: list[tuple[tuple[str, ...], Any]] = []
    if isinstance(custom, (list, tuple)):
        places += [(("custom_hooks", str(index)), hook) for index, hook in enumerate(custom)]
    if isinstance(default, Mapping):
        places += [(("default_hooks", str(name)), hook) for name, hook in default.items()]
    for path, hook in places:
        if isinstance(hook, Mapping) and _name(hook.get("type")) == "EMAHook":
            yield Asked("ema", hook, path, "type")
        if isinstance(hook, Mapping) and hook.get("asynchronous"):
            yield Asked("async_checkpoint", hook, path, "asynchronous")


def _of_wrapping(root: ConfigDict) -> Iterator[Asked]:
    strategy = dict.get(root, "strategy")
    wrapper = "model_wrapper_cfg"
    places = [(root, ()), (dict.get(root, wrapper), (wrapper,))]
    if isinstance(strategy, Mapping):
        inner = strategy.get("model_wrapper")
        places += [(strategy, ("strategy",)), (inner, ("strategy", "model_wrapper"))]
        if _name(strategy.get("type")) == "DeepSpeedStrategy":
            yield from (
                Asked(ability, strategy, ("strategy",), key if key in strategy else "config")
                for ability, key in asked_of_engine(strategy)
            )
    keys = {"sync_bn": "sync_batch_norm", "find_unused_parameters": "find_unused"}
    own = {
        "cpu_offload": "offload", "tensor_parallel": "tensor_parallel", "compile_blocks": "compile",
    }  # fmt: skip
    for node, path in places:
        if isinstance(node, Mapping):
            named = keys if node is not strategy else {**keys, **own}
            yield from (Asked(a, node, path, key) for key, a in named.items() if node.get(key))


def _of_updates(node: Any, path: tuple[str, ...]) -> Iterator[Asked]:
    """Yield what an optimizer wrapper asks for, or each of several by name."""
    if not isinstance(node, Mapping):
        return
    optimizer = node.get("optimizer")
    if not isinstance(optimizer, Mapping):
        for name, inner in node.items():
            if isinstance(inner, Mapping) and "optimizer" in inner:
                yield from _of_updates(inner, (*path, str(name)))
        return
    counts = node.get("accumulative_counts")
    if isinstance(counts, int) and counts > 1:
        yield Asked("accumulation", node, path, "accumulative_counts")
    clip = node.get("clip_grad")
    if isinstance(clip, Mapping):
        by_value = clip.get("type") == "value"
        yield Asked("clip_value" if by_value else "clip_norm", node, path, "clip_grad")
    if _name(node.get("type")) == "AmpOptimWrapper":
        half = _HALVES.get(str(node.get("dtype") or "float16"))
        if half is not None:
            yield Asked(half, node, path, "type")
    ability = ability_of_optimizer(_name(optimizer.get("type")))
    if ability is not None:
        yield Asked(ability, optimizer, (*path, "optimizer"), "type")


def _name(kind: Any) -> str:
    """Return the name of a class, or the last part of a dotted one."""
    return str(getattr(kind, "__name__", kind)).rpartition(".")[2]
