"""The strategies that can be named, and a configuration made one of each."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal

from engine_config import Config, values_of
from engine_config.near_names import near_names
from engine_registry import STRATEGIES
from engine_runner.checks.abilities import ability_faults, strategy_named

__all__ = ["ALONE", "Contender", "contender_named", "in_the_way", "on", "steps_of"]

_BOOSTED = "ColossalAIOptimWrapper"
#: one device, which all are held against
ALONE = "SingleDeviceStrategy"


@dataclass(frozen=True)
class Contender:
    """A strategy to be held against one device.

    Attributes
    ----------
    name : str
        What it is called by.
    kind : str
        Its class' name.
    settings : Mapping
        What it is made with, unless the configuration says how.
    library : str, optional
        Without which it does not run; it is an extra of engine-dist of the same name.
    """

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    library: str | None = None


KNOWN: dict[str, Contender] = {
    one.name: one
    for one in (
        Contender("ddp", "DDPStrategy"),
        Contender("zero1", "ZeRO1Strategy"),
        Contender("fsdp", "FSDPStrategy"),
        Contender("fsdp1", "FSDP1Strategy"),
        *(
            Contender(
                f"deepspeed-zero{stage}", "DeepSpeedStrategy",
                {"zero_optimization": {"stage": stage}}, "deepspeed",
            )
            for stage in range(4)
        ),
        Contender("colossalai", "ColossalAIStrategy", library="colossalai"),
        Contender("tp", "TensorParallelStrategy"),
    )
}  # fmt: skip


def contender_named(name: str) -> Contender:
    """Return a strategy by its short name, or by that of a class in ``STRATEGIES``.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name in KNOWN:
        return KNOWN[name]
    if STRATEGIES.get(name) is not None and name != ALONE:
        return Contender(name, name)
    near = near_names(name, [*KNOWN, *STRATEGIES.module_dict])
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(
        f"there is no strategy {name!r} to compare with one device{meant} Known are {', '.join(KNOWN)}, "
        "and the classes of STRATEGIES"
    )


def in_the_way(
    one: Contender, cfg: Config
) -> tuple[Literal["refused", "not installed"], str] | None:
    """Return why a strategy is not tried: a verdict and its reason; None where nothing is in the way."""
    kind: Any = STRATEGIES.get(one.kind)
    if kind is None:
        return "refused", f"there is no {one.kind} in this release"
    if one.library is not None and find_spec(one.library) is None:
        extra = f"pip install 'engine-dist[{one.library}]'"
        return "not installed", f"{one.library} is missing: {extra}"
    if one.kind == "DeepSpeedStrategy" and not _can_be_an_engines(cfg.get("optim_wrapper")):
        return "refused", (
            "DeepSpeed's engine accumulates, clips and steps by itself, in place of this "
            "configuration's optim_wrapper; write OptimWrapper, AmpOptimWrapper or "
            "DeepSpeedOptimWrapper, for one optimizer"
        )
    asked: Any = on(cfg, one)
    names = [strategy_named(values_of(asked)), *(base.__name__ for base in kind.__mro__)]
    faults = [*ability_faults(values_of(_by_its_own_lines(asked, cfg)), names)]
    return ("refused", "; ".join(map(str, faults))) if faults else None


def _by_its_own_lines(adapted: Any, cfg: Config) -> Config:
    """Return a configuration whose optimizer wrapper is looked at where it stands in the file."""
    given = cfg.get("optim_wrapper")
    if isinstance(given, Mapping) and _kind(given) != "DeepSpeedOptimWrapper":
        told: Any = copy(given)
        if _kind(adapted.strategy) == "DeepSpeedStrategy":
            told["type"] = "DeepSpeedOptimWrapper"  # what it says, the engine is told
        adapted.optim_wrapper = told
    return adapted  # type: ignore[no-any-return]  # a copy of a Config


def on(cfg: Config, one: Contender | None) -> Config:
    """Return a configuration that trains on a strategy; on one device, without one.

    What DeepSpeed's engine does by itself becomes settings of it, and the other way round.
    """
    made: Any = copy(cfg)
    given = cfg.get("strategy")
    own = dict(given.items()) if isinstance(given, Mapping) else {}
    name = str(getattr(own.get("type"), "__name__", own.get("type"))).rpartition(".")[2]
    updates = _updates(cfg.get("optim_wrapper"), own if name == "DeepSpeedStrategy" else {})
    if one is None:
        made.pop("strategy", None)
        made.optim_wrapper = updates.for_a_wrapper()
        return made  # type: ignore[no-any-return]  # a copy of a Config
    settings = own if name == one.kind else {"type": one.kind, **one.settings}
    if one.kind == "DeepSpeedStrategy":
        made.strategy = {**settings, **one.settings, **updates.for_an_engine()}
        made.optim_wrapper = updates.driving()
        return made  # type: ignore[no-any-return]  # as above
    if one.kind in ("DDPStrategy", "ZeRO1Strategy"):
        settings = {**(_of_replicas(cfg) if name != one.kind else {}), **settings}
        settings.setdefault("sync_bn", cfg.get("sync_bn"))
    made.strategy = settings
    made.optim_wrapper = updates.for_a_wrapper(boosted=one.kind == "ColossalAIStrategy")
    return made  # type: ignore[no-any-return]  # as above


def steps_of(cfg: Config) -> int:
    """Return how many losses make a step of one device."""
    wrapper = on(cfg, None).get("optim_wrapper")
    counts = wrapper.get("accumulative_counts", 1) if isinstance(wrapper, Mapping) else 1
    return counts if isinstance(counts, int) else 1


def _of_replicas(cfg: Config) -> dict[str, Any]:
    wrapper = cfg.get("model_wrapper_cfg")
    if wrapper is None:
        wrapper = {"find_unused_parameters": cfg.get("find_unused_parameters", False)}
    return {"model_wrapper": wrapper}


@dataclass(frozen=True)
class _Updates:
    """What an ``optim_wrapper`` says, in whichever of two ways.

    Attributes
    ----------
    given
        As it stands.
    engine : Mapping
        What the strategy's engine was told.
    """

    given: Any
    engine: Mapping[str, Any]

    @property
    def _shared(self) -> dict[str, Any]:
        taken = ("optimizer", "paramwise_cfg", "constructor")
        return {key: self.given[key] for key in taken if key in self.given}

    @property
    def _drives(self) -> bool:
        return _kind(self.given) == "DeepSpeedOptimWrapper"

    def for_a_wrapper(self, boosted: bool = False) -> Any:
        """Return it for a strategy whose wrapper does all, by a booster of ColossalAI's or without."""
        kind = _kind(self.given)
        if boosted and kind in ("None", "OptimWrapper"):
            return {**self.given, "type": _BOOSTED}
        if not boosted and kind == _BOOSTED:
            return {**self.given, "type": "OptimWrapper"}
        if not self._drives:
            return self.given
        made = {**self._shared, "type": "OptimWrapper"}
        made["accumulative_counts"] = self.engine.get("gradient_accumulation_steps", 1)
        norm = self.engine.get("gradient_clipping")
        if norm:
            made["clip_grad"] = {"max_norm": norm}
        halves = {"fp16": "float16", "bf16": "bfloat16"}
        for name, dtype in halves.items():
            if (self.engine.get(name) or {}).get("enabled"):
                made |= {"type": "AmpOptimWrapper", "dtype": dtype}
        return made

    def driving(self) -> Any:
        """Return it for an engine that does all."""
        return {**self._shared, "type": "DeepSpeedOptimWrapper"}

    def for_an_engine(self) -> dict[str, Any]:
        """Return what an engine is told; a clipping that clips nothing tells the norm."""
        norm = self.engine.get("gradient_clipping") or float("inf")
        if self._drives:
            return {"gradient_clipping": norm}
        clip = self.given.get("clip_grad") or {}
        made: dict[str, Any] = {
            "gradient_accumulation_steps": self.given.get("accumulative_counts", 1),
            "gradient_clipping": clip.get("max_norm", float("inf")),
        }
        if _kind(self.given) == "AmpOptimWrapper":
            half = "bf16" if "bfloat16" in str(self.given.get("dtype")) else "fp16"
            made[half] = {"enabled": True}
        return made


def _updates(given: Any, engine: Mapping[str, Any]) -> _Updates:
    return _Updates(given if isinstance(given, Mapping) else {}, engine)


def _can_be_an_engines(given: Any) -> bool:
    kinds = ("None", "OptimWrapper", "AmpOptimWrapper", "DeepSpeedOptimWrapper")
    return isinstance(given, Mapping) and "optimizer" in given and _kind(given) in kinds


def _kind(given: Mapping[str, Any]) -> str:
    kind = given.get("type")
    return str(getattr(kind, "__name__", kind)).rpartition(".")[2]
