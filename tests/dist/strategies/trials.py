"""One tiny training for each ability of the table, on a strategy or by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine_dist import data_parallel, get_world_size
from engine_dist import strategies as all_strategies
from engine_dist.checkpoint.asynchronous import AsyncSaver, own_group
from engine_dist.strategies import Strategy
from engine_dist.strategies import strategy as strategy_module
from engine_dist.strategies.activation import Compiled
from engine_dist.strategies.choosing import Choice
from engine_dist.wrappers import convert_sync_batchnorm, unwrap
from engine_optim import (
    AmpOptimWrapper,
    ColossalAIOptimWrapper,
    DeepSpeedOptimWrapper,
    ExponentialMovingAverage,
    OptimWrapper,
)
from tests.dist.strategies.cpu_for_colossalai import lend_cpu

__all__ = [
    "TRIALS",
    "Trial",
    "go_on",
    "train",
    "train_by_hand",
    "train_halfway",
    "train_nevertheless",
]

STEPS = 6
Values = dict[str, Tensor]


class Block(nn.Module):
    """A layer, perhaps with batch norm, or one of two that take turns."""

    def __init__(self, norm: bool, turns: bool) -> None:
        super().__init__()
        self.first = nn.Linear(7, 7, bias=False)
        self.norm: nn.Module = nn.BatchNorm1d(7) if norm else nn.Identity()
        self.second = nn.Linear(7, 7, bias=False) if turns else None

    def forward(self, x: Tensor, turn: int) -> Tensor:
        layer = self.first if turn == 0 or self.second is None else self.second
        return torch.tanh(self.norm(layer(x)))


class Net(nn.Module):
    """Blocks and a head; all that is trained are matrices, but for norms."""

    def __init__(self, norm: bool, turns: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList([Block(norm, turns) for _ in range(2)])
        self.head = nn.Linear(7, 3, bias=False)

    def forward(self, x: Tensor, turn: int = 0) -> Tensor:
        for block in self.blocks:
            x = block(x, turn)
        loss: Tensor = self.head(x).square().mean()
        return loss


@dataclass(frozen=True)
class Trial:
    """How an ability is tried.

    Attributes
    ----------
    settings : Mapping
        Given to every strategy.
    of_replicas : Mapping
        Given to those that wrap replicas.
    wrapper : Mapping
        Arguments of the optimizer wrapper.
    amp : str, optional
        The precision of autocast.
    optimizer : str
        Where the optimizer's class is.
    rate : float
        Its learning rate.
    norm, turns, ema, compiles : bool
        Whether the model has batch norm, layers that take turns, an average, a compiled block.
    background : bool
        Whether it is saved in the background while it goes on.
    resharded : bool
        Whether it goes on with another number of processes.
    bound : float
        How far weights and losses may be from those by hand.
    steps : int
        How many there are.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    of_replicas: Mapping[str, Any] = field(default_factory=dict)
    wrapper: Mapping[str, Any] = field(default_factory=dict)
    amp: str | None = None
    optimizer: str = "torch.optim.AdamW"
    rate: float = 1e-2
    norm: bool = False
    turns: bool = False
    ema: bool = False
    compiles: bool = False
    background: bool = False
    resharded: bool = False
    bound: float = 1e-5
    steps: int = STEPS

    @property
    def kind(self) -> Any:
        """The optimizer's class; None where it is not there."""
        module, _, name = self.optimizer.rpartition(".")
        try:
            return getattr(import_module(module), name, None)
        except ImportError:
            return None


# some layers alone, of an odd number of features, which are put together again
_PLAN = {"blocks.0.first": "colwise_rep", "head": "colwise_rep"}

TRIALS: dict[str, Trial] = {
    "accumulation": Trial(wrapper={"accumulative_counts": 3}),
    "clip_norm": Trial(wrapper={"clip_grad": {"max_norm": 0.01}}, optimizer="torch.optim.SGD", rate=1),
    "clip_value": Trial(
        wrapper={"clip_grad": {"type": "value", "clip_value": 1e-3}}, optimizer="torch.optim.SGD",
        rate=1,
    ),
    "ema": Trial(ema=True),
    "compile": Trial(compiles=True),
    "sync_batch_norm": Trial(norm=True),
    "find_unused": Trial(
        turns=True, of_replicas={"model_wrapper": {"find_unused_parameters": True}}
    ),
    "async_checkpoint": Trial(background=True),
    "reshard_on_load": Trial(resharded=True),
    "tensor_parallel": Trial(settings={"tensor_parallel": {"size": 2, "plan": _PLAN}}),
    "offload": Trial(settings={"cpu_offload": True}),
    "fp16": Trial(amp="float16", bound=1e-2),
    "bf16": Trial(amp="bfloat16", bound=3e-2),
    "adafactor": Trial(optimizer="torch.optim.Adafactor"),
    "muon": Trial(optimizer="torch.optim.Muon"),
    "global_step_size": Trial(optimizer="prodigyopt.Prodigy", rate=1.0, steps=30),
    "schedule_free": Trial(optimizer="schedulefree.AdamWScheduleFree"),
}  # fmt: skip


def train_by_hand(ability: str) -> tuple[list[float], Values]:
    """Train on one device, without a strategy."""
    run = _Run(TRIALS[ability], None)
    run.go(range(run.trial.steps))
    return run.end()


@contextmanager
def nothing_refused() -> Iterator[None]:
    """Let strategies train by any optimizer: what they refuse is to be seen to go wrong."""
    module: Any = strategy_module
    before = module.require_optimizers
    module.require_optimizers = lambda names, made: None
    try:
        yield
    finally:
        module.require_optimizers = before


def train_nevertheless(strategy: str, ability: str, folder: str) -> tuple[list[float], Values]:
    """Train on a strategy that refuses to."""
    with nothing_refused():
        return train(strategy, ability, folder)


def train(strategy: str, ability: str, folder: str) -> tuple[list[float], Values]:
    """Train on a strategy."""
    run = _Run(TRIALS[ability], strategy)
    if not run.trial.background:
        run.go(range(run.trial.steps))
        return run.end()
    # what is saved is what was there, whatever the training does meanwhile
    run.go(range(run.trial.steps))
    losses, values = run.end()
    path = str(Path(folder) / "background.pth")
    with AsyncSaver(group=own_group()) as saver:
        run.strategy.save_checkpoint(run.state(), path, saver=saver)
        run.go(range(2))
        saver.wait()
    state = run.strategy.load_checkpoint(path)["state_dict"]
    return losses, {name: _full(state[name]) for name in values}


def train_halfway(strategy: str, ability: str, path: str) -> list[float]:
    """Train some of it, and save."""
    run = _Run(TRIALS[ability], strategy)
    run.go(range(3))
    run.strategy.save_checkpoint(run.state(), path)
    return run.losses


def go_on(strategy: str, ability: str, path: str) -> tuple[list[float], Values]:
    """Load, and train the rest."""
    run = _Run(TRIALS[ability], strategy)
    state = run.strategy.resume_checkpoint(path)
    run.strategy.load_model_state_dict(run.model, state["state_dict"], strict=True)
    run.wrapper.load_state_dict(state["optimizer"])
    run.go(range(3, run.trial.steps))
    return run.end()


class _Run:
    def __init__(self, trial: Trial, name: str | None) -> None:
        self.trial = trial
        self.name = name
        self.losses: list[float] = []
        model: nn.Module = Net(trial.norm, trial.turns)
        if name is not None:
            self.strategy = _strategy_of(trial, name)
            self.strategy.setup_environment()
        if trial.norm and name is not None:
            model = convert_sync_batchnorm(model)
        if trial.compiles and name is not None:
            Compiled(Choice(classes=["Block"]), {"backend": "aot_eager"}).apply(model)
        if name is None:
            self.model, self.wrapper = model, self._wrapper_of(model)
        else:
            prepared = self.strategy.prepare(model, self._wrapper_of)
            assert prepared.optimizer is not None
            self.model, self.wrapper = prepared.model, prepared.optimizer
        self.wrapper.initialize_count_status(self.model, 0, trial.steps)
        self.average = ExponentialMovingAverage(unwrap(self.model), 0.3) if trial.ema else None

    def _wrapper_of(self, model: nn.Module) -> Any:
        optimizer = self.trial.kind(list(model.parameters()), lr=self.trial.rate)
        by_value = self.trial.wrapper.get("clip_grad", {}).get("type") == "value"
        if self.name is not None and _is_engine(self.name) and not by_value:
            return DeepSpeedOptimWrapper(optimizer)
        if self.trial.amp is None:
            driven = self.name == "ColossalAIStrategy"
            kind = ColossalAIOptimWrapper if driven else OptimWrapper
            return kind(optimizer, **self.trial.wrapper)
        return AmpOptimWrapper(128.0, self.trial.amp, optimizer=optimizer)

    def go(self, steps: range) -> None:
        for step in steps:
            batch = torch.randn(8, 7, generator=torch.Generator().manual_seed(step))
            mine = batch.chunk(data_parallel().size)[data_parallel().rank]
            with self.wrapper.optim_context(self.model):
                loss: Tensor = self.model(mine, turn=step % 2)
            self.wrapper.update_params(loss)
            self.losses.append(_mean(loss))
            if self.average is not None:
                self.average.update_parameters(unwrap(self.model))

    def state(self) -> dict[str, Any]:
        return {
            "state_dict": self.strategy.weights_to_save(self.model),
            "optimizer": self.wrapper.state_dict(),
        }

    def end(self) -> tuple[list[float], Values]:
        self.wrapper.eval()
        state = (
            self.strategy.model_state_dict(self.model) if self.name else self.model.state_dict()
        )
        values = {name: _full(value).float() for name, value in state.items()}
        if self.average is not None:
            averages = _whole(self.average.module)
            values |= {f"average.{name}": value for name, value in averages.items()}
        return list(self.losses), values


def _strategy_of(trial: Trial, name: str) -> Strategy:
    kind: Callable[..., Strategy] = getattr(all_strategies, name.partition("(")[0])
    if _is_engine(name):
        return kind(device="cpu", **_of_engine(trial, int(name[-2])))
    settings = dict(trial.settings)
    if name == "ColossalAIStrategy":
        lend_cpu()
        plugin = {
            "type": "LowLevelZeroPlugin",
            "precision": "fp32",
            "overlap_communication": False,
        }
        settings["plugin"] = plugin | {key: True for key in settings if key == "cpu_offload"}
        settings.pop("cpu_offload", None)
    if name in ("DDPStrategy", "ZeRO1Strategy"):
        settings |= trial.of_replicas
    if name in ("FSDPStrategy", "FSDP1Strategy"):
        settings["wrap"] = {"classes": "Block"}
    if name == "TensorParallelStrategy":
        settings |= settings.pop("tensor_parallel", {"plan": _PLAN})
    return kind(device="cpu", **settings)


def _is_engine(name: str) -> bool:
    return name.startswith("DeepSpeedStrategy")


def _of_engine(trial: Trial, stage: int) -> dict[str, Any]:
    """Return what DeepSpeed's engine is told, which does by itself what wrappers do elsewhere."""
    settings = dict(trial.settings)
    zero: dict[str, Any] = {"stage": stage}
    if settings.pop("cpu_offload", False):
        zero["offload_optimizer"] = {"device": "cpu"}
        if stage == 3:
            zero["offload_param"] = {"device": "cpu"}
    halves = {"float16": "fp16", "bfloat16": "bf16"}
    half: dict[str, Any] = {}
    if trial.amp is not None:
        half = {halves[trial.amp]: {"enabled": True}, "inputs_to_half": [0]}
    return {
        **settings, **half,
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "gradient_accumulation_steps": trial.wrapper.get("accumulative_counts", 1),
        "gradient_clipping": trial.wrapper.get("clip_grad", {}).get("max_norm"),
    }  # fmt: skip


def _mean(loss: Tensor) -> float:
    total = loss.detach().clone().float()
    if get_world_size() > 1:
        torch.distributed.all_reduce(total)
    return float(total) / get_world_size()


def _whole(model: nn.Module) -> Values:
    return {name: _full(value) for name, value in model.state_dict().items()}


def _full(value: Tensor) -> Tensor:
    whole: Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return whole.detach().clone()
