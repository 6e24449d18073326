"""DeepSpeed's stages of ZeRO by its documented partitioning: its engine cannot run without values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from engine_dist.estimation.classes import CLASSES, Class, Footprint, Traffic
from engine_dist.estimation.hollow import hollow
from engine_dist.estimation.observation import Followed, Job, Observation, follow
from engine_dist.strategies.deepspeed import DeepSpeedStrategy
from engine_dist.strategies.strategy import Prepared, Strategy
from engine_dist.wrappers.deepspeed import MMDeepSpeedEngineWrapper
from engine_dist.wrappers.unwrapping import unwrap

__all__ = ["zero_by_arithmetic"]

O = TypeVar("O")  # noqa: E741  # the optimizer, whatever the caller makes

# DeepSpeed's own defaults, in elements
_BUCKET = 500_000_000
_PERSISTENT = 100_000
_AHEAD = 50_000_000
_LIVE = _REUSE = 1_000_000_000


def zero_by_arithmetic(strategy: DeepSpeedStrategy, job: Job, world_size: int) -> Observation:
    """Return what a step of DeepSpeed's engine holds and sends on one of many processes.

    The model's own step is run without values on one process, which says what activations it
    needs and when; of parameters, gradients and the optimizer's state each process then holds what
    DeepSpeed's documentation says of the stage, and its buffers of the sizes in the configuration.

    Parameters
    ----------
    strategy : DeepSpeedStrategy
        Of which the settings count.
    job : Job
        What is trained.
    world_size : int
        How many processes there would be.
    """
    with hollow():
        found = follow(_Alone(strategy), job)
    sizes = _Sizes.of(found, strategy, world_size)
    shares, beside = sizes.divided()
    seen = found.ledger.footprint(found.since, found.until, shares, beside)
    memory = max(seen, sizes.at_update(seen), key=lambda one: one.peak)
    if memory is not seen:
        most = {name: max(seen.most[name], memory.most[name]) for name in CLASSES}
        memory = Footprint(most, memory.at_peak, memory.when)
    return Observation(
        memory, sizes.traffic(), (), sizes.elements * sizes.width, by_arithmetic=True
    )


@dataclass(frozen=True)
class _Sizes:
    """What DeepSpeed's arithmetic starts from.

    Attributes
    ----------
    stage, processes : int
    elements : int
        Of all parameters.
    small : int
        Those of parameters that stage 3 does not divide.
    largest : int
        Those of the largest parameter that it does.
    width : int
        Bytes of an element in forward and backward.
    state : int
        Bytes of the optimizer's state on one process alone, in 32 bit.
    zero : Mapping
        The section of the configuration.
    """

    stage: int
    processes: int
    elements: int
    small: int
    largest: int
    width: int
    state: int
    zero: Mapping[str, Any]

    @classmethod
    def of(cls, found: Followed, strategy: DeepSpeedStrategy, processes: int) -> _Sizes:
        """Return what a model that was followed on one process has."""
        params = list(unwrap(found.model).parameters())
        section = strategy.config.get("zero_optimization") or {}
        least = section.get("stage3_param_persistence_threshold", _PERSISTENT)
        width = max((one.element_size() for one in params), default=4)
        seen = found.ledger.footprint(found.since, found.until)
        return cls(
            strategy.stage, processes, sum(one.numel() for one in params),
            sum(one.numel() for one in params if one.numel() <= least),
            max((one.numel() for one in params if one.numel() > least), default=0),
            width, seen.most["optimizer state"] * 4 // width, section,
        )  # fmt: skip

    def divided(self) -> tuple[dict[Class, float], dict[Class, int]]:
        """Return the share of what one process alone holds, and what comes beside."""
        n, halves = self.processes, 4 / self.width
        shares: dict[Class, float] = {"optimizer state": halves}
        beside: dict[Class, int] = {"optimizer state": 0, "communication": 0}
        if self.width < 4 or self.stage:  # the engine's own copy of the weights
            beside["optimizer state"] = 4 * self.elements // (n if self.stage else 1)
        if self.stage:
            shares["optimizer state"] = halves / n
            beside["communication"] = self._buckets()
        if self.stage >= 2:
            shares["gradients"] = 1 / n
        if self.stage == 3:
            shares["parameters"] = 1 / n
            beside["parameters"] = self.small * self.width
            beside["gradients"], shares["gradients"] = self.elements * self.width // n, 0.0
            beside["communication"] += (self._gathered() + self._fetched()) * self.width
        if self._is_offloaded("offload_optimizer"):
            shares["optimizer state"], beside["optimizer state"] = 0.0, 0
        if self._is_offloaded("offload_param"):
            shares["parameters"] = 0.0
        return shares, beside

    def at_update(self, seen: Footprint) -> Footprint:
        """Return what is held between the backward pass and the end of the step."""
        held = dict(seen.most)
        held["activations"] = 0
        if not self.stage:
            held["communication"] = self.elements * self.width  # flattened, to be sent
            held["gradients"] = 4 * self.elements  # and kept, where they are in 16 bit
            return Footprint(held, held, "exchange of gradients")
        part = 4 * self.elements // self.processes
        held["communication"] = 0
        if not self._is_offloaded("offload_optimizer"):
            # gradients in the optimizer's type; its step is that of one flat parameter
            held["gradients"], held["activations"] = part, 2 * part
        if self.stage == 3:
            share = self.elements * self.width // self.processes
            held["gradients"] += share
            held["communication"] = self._buckets()
            held["parameters"] = 0 if self._is_offloaded("offload_param") else share
        return Footprint(held, held, "optimizer's step")

    def traffic(self) -> Traffic:
        """Return what the stage's documented collectives send."""
        n = self.processes
        if n == 1:
            return Traffic({}, {})
        whole = self.elements * self.width * (n - 1) / n
        if self.stage == 3:
            gathers = 1 if self._stays() else 2
            return Traffic(
                {"all-gather": gathers * whole, "reduce-scatter": whole},
                {"all-gather": gathers, "reduce-scatter": 1},
            )
        sent = {"all-reduce": 2 * whole} | ({"all-gather": whole} if self.stage else {})
        return Traffic(sent, dict.fromkeys(sent, 1))

    def _buckets(self) -> int:
        count = 2 if self.zero.get("overlap_comm") else 1
        return count * int(self.zero.get("reduce_bucket_size", _BUCKET)) * self.width

    def _gathered(self) -> int:
        """Return how many elements of divided parameters are whole at a time, at most."""
        live = int(self.zero.get("stage3_max_live_parameters", _LIVE))
        return min(self.elements - self.small, live)

    def _fetched(self) -> int:
        """Return how many elements arrive together, beside the parameters that they become."""
        ahead = int(self.zero.get("stage3_prefetch_bucket_size", _AHEAD))
        return max(min(ahead, self.elements - self.small), self.largest)

    def _stays(self) -> bool:
        """Tell whether what was gathered in the forward pass is there in the backward pass."""
        reuse = int(self.zero.get("stage3_max_reuse_distance", _REUSE))
        return self.elements - self.small <= min(self._gathered(), reuse)

    def _is_offloaded(self, what: str) -> bool:
        return str((self.zero.get(what) or {}).get("device", "none")) != "none"


class _Engine(nn.Module):
    """What stands in for DeepSpeed's engine on one process."""

    def __init__(self, module: nn.Module, optimizer: Any, strategy: DeepSpeedStrategy) -> None:
        super().__init__()
        self.module = module
        self._optimizer = optimizer
        self._config = strategy.config

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def backward(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def step(self) -> None:
        self._optimizer.step()
        self._optimizer.zero_grad()

    def was_step_applied(self) -> bool:
        return False

    def fp16_enabled(self) -> bool:
        return precision_of(self._config) is torch.float16

    def bfloat16_enabled(self) -> bool:
        return precision_of(self._config) is torch.bfloat16


def precision_of(config: Mapping[str, Any]) -> torch.dtype:
    """Return the type that DeepSpeed's configuration has forward and backward in."""
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
        if (config.get(name) or {}).get("enabled", False):
            return dtype
    return torch.float32


class _Alone(Strategy):
    """DeepSpeed's settings of a model's own step, without its engine."""

    def __init__(self, asked: DeepSpeedStrategy) -> None:
        super().__init__("cpu", activation=asked.activation)
        self._asked = asked

    def prepare(
        self, model: nn.Module, make_optimizer: Callable[[nn.Module], O] | None = None
    ) -> Prepared[O]:
        """Put a model and what drives its optimizer behind what stands in for the engine."""
        assert make_optimizer is not None  # for the type checker: it is there to be trained
        for activation in self.activation:
            activation.apply(model)
        dtype = precision_of(self._asked.config)
        made: Any = make_optimizer(model if dtype is torch.float32 else model.to(dtype))
        engine = _Engine(model, getattr(made, "optimizer", made), self._asked)
        made.model = engine
        wrapped = MMDeepSpeedEngineWrapper(model=engine, inputs_to_half=self._asked.inputs_to_half)
        return Prepared(wrapped, made)
