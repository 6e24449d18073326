"""What the ranks do in the tests of DeepSpeed's engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as torch_dist
from torch import Tensor, nn

from engine_dist import get_dist_info
from engine_dist.checkpoint import CheckpointError
from engine_dist.checkpoint.asynchronous import AsyncSaver
from engine_dist.deepspeed_library import full_parameters
from engine_dist.strategies import DeepSpeedStrategy, Strategy
from engine_optim import BaseOptimWrapper, DeepSpeedOptimWrapper, OptimWrapper

Batch = tuple[Tensor, Tensor]


class Net(nn.Module):
    """A small model with a buffer, in two parts that learn at different rates."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Sequential(nn.Linear(5, 16), nn.LayerNorm(16), nn.Tanh())
        self.b = nn.Linear(16, 3)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor, y: Tensor, mode: str = "loss") -> Any:
        if self.training:
            self.seen += 1
        out = self.b(self.a(x)).float()
        return {"loss": nn.functional.mse_loss(out, y)} if mode == "loss" else out


def batches(number: int) -> list[Batch]:
    """Batches of eight samples, to be shared by the ranks."""
    source = torch.Generator().manual_seed(1)
    return [
        (torch.randn(8, 5, generator=source), torch.randn(8, 3, generator=source))
        for _ in range(number)
    ]


def adamw(model: nn.Module, rate: float = 0.01) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for n, p in model.named_parameters() if p.requires_grad and n[0] == part],
         "lr": rate * (1 + (part == "b"))}
        for part in "ab"
    ]  # fmt: skip
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate)


@dataclass
class Trained:
    """A model in training by the engine."""

    strategy: Strategy
    model: nn.Module
    wrapper: Any

    def steps(self, given: list[Batch]) -> list[float]:
        """Train on this rank's share of the batches; return the losses of all shares."""
        rank, size = get_dist_info()
        losses = []
        for x, y in given:
            mine = slice(rank * 8 // size, (rank + 1) * 8 // size)
            train_step: Any = self.model.train_step
            losses.append(train_step({"x": x[mine], "y": y[mine]}, self.wrapper)["loss"].item())
        mean = torch.tensor(losses)
        torch_dist.all_reduce(mean)
        found: list[float] = (mean / size).tolist()
        return found

    def weights(self) -> dict[str, Tensor]:
        """Return the whole weights and buffers."""
        state = self.strategy.model_state_dict(self.model)
        return {name: value.detach().clone() for name, value in state.items()}


def prepared(
    settings: dict[str, Any], frozen: str | None = None, optimizer: Any = adamw
) -> Trained:
    """Let the engine take a net, a part of it frozen."""
    strategy = DeepSpeedStrategy(device="cpu", **settings)
    net = Net()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(frozen is None or not name.startswith(frozen))
    made = strategy.prepare(net, lambda model: DeepSpeedOptimWrapper(optimizer(model)))
    return Trained(strategy, made.model, made.optimizer)


def alone(number: int, frozen: str | None = None) -> tuple[list[float], dict[str, Tensor]]:
    """Train on one device, without an engine."""
    net = Net()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(frozen is None or not name.startswith(frozen))
    wrapper = OptimWrapper(adamw(net))
    losses = []
    for x, y in batches(number):
        loss = net(x, y)["loss"]
        wrapper.update_params(loss)
        losses.append(loss.item())
    return losses, {name: value.detach().clone() for name, value in net.state_dict().items()}


def train(
    settings: dict[str, Any], number: int, frozen: str | None = None
) -> tuple[list[float], dict[str, Tensor]]:
    trained = prepared(settings, frozen)
    return trained.steps(batches(number)), trained.weights()


def state_of(trained: Trained) -> dict[str, Any]:
    """Return what a run would save."""
    return {
        "meta": {"epoch": 1, "iter": 4},
        "state_dict": trained.strategy.weights_to_save(trained.model),
        "optimizer": trained.wrapper.state_dict(),
        "param_schedulers": [{"last_step": 4}],
    }


def save_and_go_on(
    settings: dict[str, Any], path: str, frozen: str | None = None
) -> tuple[dict[str, Tensor], list[float]]:
    """Train, lower the rates, save; return the weights then, and the losses after."""
    trained = prepared(settings, frozen)
    given = batches(8)
    trained.steps(given[:4])
    for group in trained.wrapper.param_groups:
        group["lr"] /= 2
    trained.strategy.save_checkpoint(state_of(trained), path)
    return trained.weights(), trained.steps(given[4:])


@dataclass
class Resumed:
    """What came of going on."""

    state: dict[str, Any]
    weights: dict[str, Tensor]
    rates: list[float]
    losses: list[float]


def resume(
    settings: dict[str, Any], path: str, frozen: str | None = None, optimizer: bool = True
) -> Resumed:
    trained = prepared(settings, frozen)
    state = trained.strategy.resume_checkpoint(path, optimizer=optimizer)
    trained.wrapper.load_state_dict(state["optimizer"])
    trained.strategy.load_model_state_dict(trained.model, state["state_dict"], strict=True)
    weights = trained.weights()
    rates = [group["lr"] for group in trained.wrapper.param_groups]
    return Resumed(state, weights, rates, trained.steps(batches(8)[4:]))


def load(settings: dict[str, Any], path: str) -> tuple[dict[str, Tensor], list[float]]:
    """Start from the weights of a checkpoint."""
    trained = prepared(settings)
    state = trained.strategy.load_checkpoint(path)
    trained.strategy.load_model_state_dict(trained.model, state["state_dict"], strict=True)
    return trained.weights(), trained.steps(batches(4))


def export(settings: dict[str, Any], path: str) -> dict[str, Tensor]:
    trained = prepared(settings)
    trained.steps(batches(2))
    trained.strategy.export(trained.model, path)
    return trained.weights()


def refused(settings: dict[str, Any], wrapper: type[BaseOptimWrapper], optimizer: str) -> str:
    """Return what is said of a wrapper or an optimizer that does not go with the engine."""
    kind = getattr(torch.optim, optimizer)
    try:
        DeepSpeedStrategy(device="cpu", **settings).prepare(
            Net(), lambda model: wrapper(kind([p for p in model.parameters() if p.ndim == 2]))
        )
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def change_whole(settings: dict[str, Any]) -> tuple[float, float]:
    """Change gathered weights, on rank 0 alone, with and without saying so."""
    trained = prepared(settings)
    weight: Any = trained.model.module.b.weight  # type: ignore[union-attr]
    with full_parameters([weight], modifier_rank=0), torch.no_grad():
        if get_dist_info()[0] == 0:
            weight.fill_(2.0)
    first = trained.weights()["b.weight"].mean().item()
    with full_parameters([weight]):
        pass
    return first, trained.weights()["b.weight"].mean().item()


def evaluate_unequally(settings: dict[str, Any]) -> list[float]:
    """Predict two batches on one rank and none on the other, as the loops of a runner do."""
    from engine_runner.loops.in_step import in_step

    trained = prepared(settings)
    trained.model.eval()
    assert trained.strategy.forward_is_collective
    step: Any = trained.model.val_step
    given = [{"x": x, "y": y} for x, y in batches(2)] if get_dist_info()[0] == 0 else []
    return [step(batch).sum().item() for batch in in_step(given, step)]


def cast(settings: dict[str, Any], by_name: bool) -> list[str]:
    """Return the types of the inputs that reach a model in half precision."""
    seen: list[str] = []

    class Seeing(Net):
        def forward(self, x: Any, y: Tensor, mode: str = "loss") -> Any:
            seen.extend(str(v.dtype) for v in (x["deep"][0], x["count"], y))
            return super().forward(x["deep"][0].to(self.b.weight.dtype), y, mode)

    strategy = DeepSpeedStrategy(device="cpu", **settings)
    made = strategy.prepare(Seeing(), lambda model: DeepSpeedOptimWrapper(adamw(model)))
    (x, y) = batches(1)[0]
    step: Any = made.model.train_step
    batch = {"x": {"deep": [x], "count": torch.ones(2).long()}, "y": y}
    step(batch if by_name else list(batch.values()), made.optimizer)
    return seen


def momentum(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def save_by_momentum(settings: dict[str, Any], path: str) -> str:
    """Save a training by another optimizer, and return what is said of doing so in the background."""
    trained = prepared(settings, optimizer=momentum)
    trained.steps(batches(2))
    trained.strategy.save_checkpoint(state_of(trained), path)
    try:
        saver = AsyncSaver(lambda state, path: None)
        trained.strategy.save_checkpoint(state_of(trained), path, saver=saver)
    except ValueError as error:
        return str(error)
    return ""


def resume_by_momentum(settings: dict[str, Any], path: str) -> str:
    trained = prepared(settings, optimizer=momentum)
    trained.strategy.resume_checkpoint(path)
    try:
        trained.strategy.load_model_state_dict(trained.model, {})
    except CheckpointError as error:
        return str(error)
    return ""
